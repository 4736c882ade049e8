#include "loadstone/base/sha256.h"

#include <gtest/gtest.h>

namespace loadstone {
namespace {

// python3: hashlib.sha256(struct.pack("<Q", 3) + b"abc").hexdigest()
TEST(Sha256, IsOfEachPartAfterItsLength) {
    EXPECT_EQ(sha256_hex({"abc"}),
              "ce91dc5eec0139adf091900d225971d6ad246a845bad791b5693a9d0d55dd391");
    EXPECT_NE(sha256_hex({"ab", "c"}), sha256_hex({"a", "bc"}));
    EXPECT_EQ(sha256_hex({}).size(), 64U);
}

}  // namespace
}  // namespace loadstone
