#include "loadstone/store/internal/module_gates.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::store::internal {
namespace {

using runtime::Loops;
using runtime::Services;
using runtime::testing::run_blocking;

const std::vector<ModuleShare> shares{{"reports", {50, 25}}, {"accounts", {100, 75}}};

TEST(ModuleGates, PlacesAreRoundedDownAndOneAtLeast) {
    EXPECT_EQ(places_of(75, 16), 12U);
    EXPECT_EQ(places_of(75, 3), 2U);
    EXPECT_EQ(places_of(75, 2), 1U);
    EXPECT_EQ(places_of(1, 1), 1U);
    EXPECT_EQ(places_of(99, 2), 1U) << "less than all leaves one";
    EXPECT_EQ(places_of(100, 2), 2U);
    EXPECT_EQ(places_of(100, 0), 1U);
}

struct ModuleGatesTest : ::testing::Test {
    telemetry::Registry registry;
    Services services;

    std::unique_ptr<Context> of(std::string_view module) {
        auto context = std::make_unique<Context>(services, Deadline::unbounded());
        context->set_module(module);
        return context;
    }
    std::uint64_t counted(std::string_view name) {
        return registry
            .counter(name,
                     telemetry::metric_label("module", "reports") + "," +
                         telemetry::metric_label("direction", "writes"),
                     "")
            .value();
    }
};

TEST_F(ModuleGatesTest, AModuleHasItsShareAndOthersTheRest) {
    ModuleGates gates("writes", shares, &ConnectionShare::writes_percent, 4, 8, registry);
    const auto reports = of("reports");
    std::vector<ModuleGates::Place> held;
    for (int i = 0; i < 2; ++i) {
        auto place = gates.try_enter(*reports);
        ASSERT_TRUE(place);
        held.push_back(std::move(*place));
    }
    EXPECT_FALSE(gates.try_enter(*reports));
    for (const char* module : {"accounts", "loadstone"}) {
        const auto context = of(module);
        std::vector<std::optional<ModuleGates::Place>> places;
        for (int i = 0; i < 100; ++i) places.push_back(gates.try_enter(*context));
        EXPECT_TRUE(places.back()) << module << " has no gate";
    }
    held.pop_back();
    EXPECT_TRUE(gates.try_enter(*reports));
    gates.resize(8);
    held.push_back(std::move(*gates.try_enter(*reports)));
    held.push_back(std::move(*gates.try_enter(*reports)));
    held.push_back(std::move(*gates.try_enter(*reports)));
    EXPECT_FALSE(gates.try_enter(*reports)) << "half of eight";
}

Task<void> enter(ModuleGates& gates, Context& context) {
    const auto place = co_await gates.enter(context);
}

TEST_F(ModuleGatesTest, WhoGetsNoneIsToldWhyAndWhenToComeBack) {
    ModuleGates gates("writes", shares, &ConnectionShare::writes_percent, 2, 0, registry);
    Loops loops({.threads = 1}, registry);
    loops.start();
    const auto reports = of("reports");
    const auto held = gates.try_enter(*reports);
    ASSERT_TRUE(held);
    try {
        run_blocking(loops.executor(0), enter(gates, *reports));
        ADD_FAILURE() << "it was let in";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
        EXPECT_TRUE(error.retry_after());
        EXPECT_NE(error.message().find("module reports has all of its 1 places for writes"),
                  std::string::npos)
            << error.message();
    }
    EXPECT_EQ(counted("loadstone_store_module_refused_total"), 1U);
    EXPECT_EQ(counted("loadstone_store_module_waits_total"), 1U);
}

TEST(ModuleShares, AreReadAsTheyAreWritten) {
    const std::string text = "reports=50/25,accounts=100/75";
    EXPECT_EQ(text_of(module_shares(text)), text);
    EXPECT_TRUE(module_shares("").empty());
    EXPECT_EQ(text_of(connection_share("1/100")), "1/100");
    for (const char* wrong : {"50", "0/50", "50/101", "a/b", "50/", "/50"})
        EXPECT_THROW(connection_share(wrong), Error) << wrong;
    for (const char* wrong : {"reports", "=50/50", "reports=50", "reports=50/50,,"})
        EXPECT_THROW(module_shares(wrong), Error) << wrong;
}

}  // namespace
}  // namespace loadstone::store::internal
