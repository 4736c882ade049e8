#include "loadstone/jobs/queue_bounds.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace loadstone::jobs {
namespace {

void add_kind(Declarations& declared, std::string name, std::string queue, std::int64_t bound) {
    auto kind = std::make_unique<Kind>();
    kind->name = std::move(name);
    kind->queue = std::move(queue);
    kind->bound = bound;
    declared.kinds.push_back(std::move(kind));
}

TEST(QueueBounds, AreReadAndWritten) {
    for (const auto* const text : {"", "reports=1", "reports=200,images=1000000000"})
        EXPECT_EQ(text_of(queue_bounds(text)), text);
}

TEST(QueueBounds, RefuseWhatIsNone) {
    for (const auto* const wrong : {"reports", "=", "=5", "reports=", "reports=0", "reports=-1",
                                    "reports=1000000001", "reports=5x", "reports=5,,images=5"})
        EXPECT_THROW(queue_bounds(wrong), Error) << wrong;
}

TEST(QueueBounds, AreThoseOfTheKindsThatDeclareOne) {
    Declarations declared;
    add_kind(declared, "a.Make", "reports", 500);
    add_kind(declared, "a.Remove", "reports", 0);
    add_kind(declared, "a.Scale", "images", 50);
    set_bounds(declared, queue_bounds("reports=3"));
    EXPECT_EQ(declared.kinds[0]->bound, 3);
    EXPECT_EQ(declared.kinds[1]->bound, 0);
    EXPECT_EQ(declared.kinds[2]->bound, 50);
    EXPECT_THROW(set_bounds(declared, queue_bounds("repots=3")), Error);
    add_kind(declared, "b.Send", "mails", 0);
    EXPECT_THROW(set_bounds(declared, queue_bounds("mails=3")), Error);
}

}  // namespace
}  // namespace loadstone::jobs
