#include "loadstone/store/idempotency.h"

#include <gtest/gtest.h>

#include <array>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/migrations.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

struct Created {
    std::int64_t id = 0;
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Created, (), (id, name))

Task<Created> create_item(Tx& tx, const std::string& name) {
    Created created;
    created.id = co_await tx.one<std::int64_t>(add_item, name);
    created.name = name;
    co_return created;
}
Task<void> fail(Tx& tx) {
    co_await insert_item(tx, "never");
    throw Error(Errc::conflict, "not now");
}
Task<void> create_two(Context& context, Created* first, Created* second) {
    *first = co_await context.write(create_item, std::string("one"));
    *second = co_await context.write(create_item, std::string("two"));
}

class IdempotencyTest : public HeldDiskTest {
protected:
    void SetUp() override {
        const std::array modules{store_migrations()};
        migrate(options, modules);
        open_with_items();
    }
    static void give_key(Context& context, const char* key, const char* fingerprint) {
        runtime::IdempotencyKey of;
        of.scope_and_key = key;
        of.request_fingerprint = fingerprint;
        context.idempotency() = of;
    }
    struct Answer {
        Created created;
        bool replayed = false;
    };
    Answer create(const char* key, const char* fingerprint, const char* name) {
        Context context(*services, Deadline::in(ample));
        give_key(context, key, fingerprint);
        Answer answer;
        answer.created = run(context.write(create_item, std::string(name)));
        answer.replayed = context.idempotency()->replayed;
        return answer;
    }
};

TEST_F(IdempotencyTest, GivesTheRecordedResultAgainAndWritesOnce) {
    const Answer first = create("key", "f", "x");
    EXPECT_FALSE(first.replayed);
    const Answer second = create("key", "f", "x");
    EXPECT_TRUE(second.replayed);
    EXPECT_EQ(second.created.id, first.created.id);
    EXPECT_EQ(second.created.name, "x");
    EXPECT_EQ(count(), 1);
    EXPECT_FALSE(create("other key", "f", "y").replayed);
    EXPECT_EQ(count(), 2);
}

TEST_F(IdempotencyTest, RefusesAnotherRequestUnderTheSameKey) {
    create("key", "f", "x");
    const Error error = error_thrown_by([&] { create("key", "g", "y"); });
    EXPECT_EQ(error.code(), Errc::invalid_argument);
    EXPECT_EQ(error.field(), "Idempotency-Key");
    EXPECT_EQ(count(), 1);
}

TEST_F(IdempotencyTest, RecordsNothingOfAWriteThatFails) {
    Context context(*services, Deadline::in(ample));
    give_key(context, "key", "f");
    EXPECT_EQ(error_thrown_by([&] { run(context.write(fail)); }).code(), Errc::conflict);
    EXPECT_FALSE(create("key", "f", "x").replayed);
    EXPECT_EQ(count(), 1);
}

TEST_F(IdempotencyTest, KeepsTheWritesOfARequestApart) {
    Created first, second;
    for (int i = 0; i < 2; ++i) {
        Context context(*services, Deadline::in(ample));
        give_key(context, "key", "f");
        Created one, two;
        run(create_two(context, &one, &two));
        EXPECT_EQ(one.name, "one");
        EXPECT_EQ(two.name, "two");
        EXPECT_EQ(context.idempotency()->replayed, i == 1);
        if (i == 0) {
            first = one;
            second = two;
        }
        EXPECT_EQ(one.id, first.id);
        EXPECT_EQ(two.id, second.id);
    }
    EXPECT_EQ(count(), 2);
}

TEST_F(IdempotencyTest, TellsASecondRequestAtTheSameTimeThatTheFirstIsInProgress) {
    runtime::TaskScope scope("first");
    hold(scope);
    std::int64_t created = 0;
    auto write_item = [](runtime::Services& all, std::int64_t* out) -> Task<void> {
        Context context(all, Deadline::in(ample));
        give_key(context, "key", "f");
        const Created item = co_await context.write(create_item, std::string("x"));
        *out = item.id;
    };
    scope.spawn(loops.executor(1), write_item(*services, &created));
    ASSERT_TRUE(queued(1));
    const Error error = error_thrown_by([&] { create("key", "f", "x"); });
    EXPECT_EQ(error.code(), Errc::conflict);
    EXPECT_NE(error.message().find("in progress"), std::string::npos);
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    const Answer again = create("key", "f", "x");
    EXPECT_TRUE(again.replayed);
    EXPECT_EQ(again.created.id, created);
}

TEST_F(IdempotencyTest, PrunesWhatIsOlder) {
    create("old", "f", "x");
    const Timestamp between = Timestamp::now() + std::chrono::microseconds(1);
    while (Timestamp::now() <= between) {
    }
    create("new", "f", "y");
    EXPECT_EQ(write(prune_idempotency, between), 1U);
    EXPECT_EQ(write(prune_idempotency, between), 0U);
    EXPECT_TRUE(create("new", "f", "y").replayed);
    EXPECT_EQ(error_thrown_by([&] { create("old", "f", "x"); }).code(), Errc::already_exists);
}

}  // namespace
}  // namespace loadstone::store
