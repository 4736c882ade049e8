#include "loadstone/net/internal/address.h"

#include <gtest/gtest.h>

#include <string>

#include "loadstone/net/internal/server_state.h"

namespace loadstone::net::internal {
namespace {

TEST(NetworkOf, IsTheAddressOrTheSlash64OfIpv6) {
    EXPECT_EQ(network_of("192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "20010db800010002");
    EXPECT_EQ(network_of("2001:db8:1:2::"), "20010db800010002");
    EXPECT_NE(network_of("2a00:0:0:5:1:2:3:4"), network_of("2a00:0:0:6:1:2:3:4"));
    EXPECT_EQ(network_of("2001:db8:0:0:1:2:3:4"), network_of("2001:db8::1"));
    EXPECT_EQ(network_of("fe80::1%eth0"), "fe80000000000000");
}

TEST(ConnectionCount, CountsTheAddressesOfOneIpv6NetworkTogether) {
    HttpLimits limits;
    limits.connections_per_address_max = 2;
    ConnectionCount count(limits);
    using Verdict = ConnectionCount::Verdict;
    EXPECT_EQ(count.take("2001:db8:1:2::7"), Verdict::taken);
    EXPECT_EQ(count.take("2001:db8:1:2::8"), Verdict::taken);
    EXPECT_EQ(count.take("2001:db8:1:2::9"), Verdict::address_full);
    EXPECT_EQ(count.take("2001:db8:1:3::9"), Verdict::taken);
    EXPECT_EQ(count.take("192.0.2.7"), Verdict::taken);
    count.give_back("2001:db8:1:2::8");
    EXPECT_EQ(count.take("2001:db8:1:2::9"), Verdict::taken);
}

}  // namespace
}  // namespace loadstone::net::internal
