// A write under an Idempotency-Key happens once.
#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

class Idempotency : public Conformance {};

void set_key(Context& context, const std::string& key, const std::string& fingerprint) {
    loadstone::runtime::IdempotencyKey idempotency;
    idempotency.scope_and_key = key;
    idempotency.request_fingerprint = fingerprint;
    context.idempotency() = idempotency;
}

Task<std::int64_t> add_under_key(Context& context, std::string name, std::string key,
                                 std::string fingerprint) {
    set_key(context, key, fingerprint);
    co_return co_await context.write(insert_item, name, std::int64_t{1});
}

Task<std::int64_t> insert_two(Tx& tx, std::string name) {
    co_await insert_item(tx, name, -1);  // the check refuses it
    co_return 0;
}
Task<std::int64_t> fail_under_key(Context& context, std::string key) {
    set_key(context, key, "same");
    co_return co_await context.write(insert_two, std::string("never"));
}

}  // namespace

TEST_P(Idempotency, TheSameKeyAndRequestGiveTheSameResultOnce) {
    const auto first =
        store().run(add_under_key, std::string("thing"), std::string("key"), std::string("same"));
    const auto second =
        store().run(add_under_key, std::string("thing"), std::string("key"), std::string("same"));
    EXPECT_EQ(first, second);
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_P(Idempotency, TheSameKeyWithAnotherRequestIsRefused) {
    store().run(add_under_key, std::string("thing"), std::string("key"), std::string("same"));
    EXPECT_EQ(code_of([&] {
                  store().run(add_under_key, std::string("other"), std::string("key"),
                              std::string("different"));
              }),
              Errc::invalid_argument);
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_P(Idempotency, AFailedWriteMayBeTriedAgainUnderItsKey) {
    EXPECT_EQ(code_of([&] { store().run(fail_under_key, std::string("key")); }), Errc::conflict);
    EXPECT_GT(
        store().run(add_under_key, std::string("thing"), std::string("key"), std::string("same")),
        0);
}

TEST_P(Idempotency, OfTwoProcessesAtOnceOneWritesAndBothGiveItsResult) {
    TestStore other(options_);  // stands for another process: its keys in progress are its own
    const auto deadline = Deadline::in(std::chrono::seconds(20));
    for (int round = 0; round < 20; ++round) {
        const std::string name = "thing " + std::to_string(round);
        auto here = store().start(deadline, add_under_key, name, name, std::string("same"));
        auto there = other.start(deadline, add_under_key, name, name, std::string("same"));
        EXPECT_EQ(here.get(), there.get());
    }
    EXPECT_EQ(store().run(item_count), 20);
}

LOADSTONE_ON_EVERY_BACKEND(Idempotency);

}  // namespace tests::conformance
