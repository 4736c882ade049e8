// What is stored comes back, of every type, the same on every database.
#include <gmock/gmock.h>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

struct Kinds {
    std::optional<bool> truth;
    std::optional<std::int64_t> number;
    std::optional<double> ratio;
    std::optional<std::string> words;
    std::optional<std::vector<std::byte>> raw;
};
BOOST_DESCRIBE_STRUCT(Kinds, (), (truth, number, ratio, words, raw))

namespace {

class Values : public Conformance {};

std::vector<std::byte> all_bytes() {
    std::vector<std::byte> bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::byte>(i));
    return bytes;
}

Task<Kinds> store_and_read(Tx& tx, Kinds kinds) {
    const auto id = co_await tx.one<std::int64_t>(sql::insert_kinds, kinds.truth, kinds.number,
                                                  kinds.ratio, kinds.words, kinds.raw);
    co_return co_await tx.one<Kinds>(sql::kinds_by_id, id);
}
Task<Kinds> in_a_transaction(Context& context, Kinds kinds) {
    // context.write() would keep the result under an Idempotency-Key as JSON; here it need not.
    std::optional<Kinds> result;
    struct Body {
        static Task<void> run(Tx& tx, const Kinds& in, std::optional<Kinds>& out) {
            Kinds read = co_await store_and_read(tx, in);
            out = std::move(read);
        }
    };
    const loadstone::store::TxBody body = [&](Tx& tx) { return Body::run(tx, kinds, result); };
    co_await context.services().get<loadstone::store::Database>().transact(context, body);
    co_return std::move(*result);
}

void expect_same(const Kinds& stored, const Kinds& read) {
    EXPECT_EQ(stored.truth, read.truth);
    EXPECT_EQ(stored.number, read.number);
    EXPECT_EQ(stored.ratio, read.ratio);
    EXPECT_EQ(stored.words, read.words);
    EXPECT_EQ(stored.raw, read.raw);
}

}  // namespace

TEST_P(Values, NullsComeBackAsNulls) {
    const Kinds nothing;
    expect_same(nothing, store().run(in_a_transaction, nothing));
}

TEST_P(Values, EveryTypeComesBackAsItWas) {
    for (const bool truth : {false, true}) {
        for (const std::int64_t number :
             {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
              std::numeric_limits<std::int64_t>::max()}) {
            const Kinds kinds{truth, number, static_cast<double>(number) / 3,
                              "w\xc3\xb6rter \xf0\x9f\xa7\xb2", all_bytes()};
            expect_same(kinds, store().run(in_a_transaction, kinds));
        }
    }
}

// But for -0.0, which SQLite keeps as 0.
TEST_P(Values, RealsComeBackToTheLastBit) {
    for (const double ratio :
         {0.1, 1e308, 5e-324, 1.0 / 3.0, std::numeric_limits<double>::infinity()}) {
        Kinds kinds;
        kinds.ratio = ratio;
        const Kinds read = store().run(in_a_transaction, kinds);
        ASSERT_TRUE(read.ratio);
        EXPECT_EQ(std::bit_cast<std::uint64_t>(ratio), std::bit_cast<std::uint64_t>(*read.ratio))
            << ratio;
    }
}

TEST_P(Values, EmptyTextAndBytesAreNotNull) {
    Kinds kinds;
    kinds.words = "";
    kinds.raw = std::vector<std::byte>();
    expect_same(kinds, store().run(in_a_transaction, kinds));
}

TEST_P(Values, TextWithNulIsRefusedByTheNameOfTheStatement) {
    Kinds kinds;
    kinds.words = std::string("a\0b", 3);
    try {
        store().run(in_a_transaction, kinds);
        FAIL() << "stored text with U+0000";
    } catch (const loadstone::Error& error) {
        EXPECT_EQ(error.code(), loadstone::Errc::invalid_argument);
        EXPECT_THAT(error.message(), testing::HasSubstr("insert_kinds: parameter $4"));
    }
}

TEST_P(Values, LargeValuesPass) {
    Kinds kinds;
    kinds.words = std::string(3'000'000, 'x');
    kinds.raw = std::vector<std::byte>(3'000'000, std::byte{0});
    expect_same(kinds, store().run(in_a_transaction, kinds));
}

TEST_P(Values, AStatementTakesNullAndThenAValueInTheSamePlace) {
    Kinds kinds;
    for (int i = 0; i < 3; ++i) {
        kinds.number.reset();
        kinds.words.reset();
        expect_same(kinds, store().run(in_a_transaction, kinds));
        kinds.number = i;
        expect_same(kinds, store().run(in_a_transaction, kinds));
        kinds.words = "words";
        expect_same(kinds, store().run(in_a_transaction, kinds));
    }
}

struct Mismatch {
    std::string truth;
    std::optional<std::int64_t> number;
    std::optional<double> ratio;
    std::optional<std::string> words;
    std::optional<std::vector<std::byte>> raw;
};
BOOST_DESCRIBE_STRUCT(Mismatch, (), (truth, number, ratio, words, raw))

namespace {

Task<std::int64_t> store_kinds(Tx& tx, std::int64_t number) {
    const bool truth = true;
    const std::optional<double> none;
    const std::optional<std::string> no_words;
    const std::optional<std::vector<std::byte>> no_raw;
    co_return co_await tx.one<std::int64_t>(sql::insert_kinds, truth, number, none, no_words,
                                            no_raw);
}
Task<void> read_mismatch(Context& context) {
    const auto id = co_await context.write(store_kinds, std::int64_t{1});
    Reader reader = context.reader();
    co_await reader.one<Mismatch>(sql::kinds_by_id, id);
}

}  // namespace

TEST_P(Values, AnotherTypeThanAskedForIsDataLossThatNamesTheColumn) {
    try {
        store().run(read_mismatch);
        FAIL() << "it was read";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::data_loss);
        EXPECT_NE(error.message().find("truth"), std::string::npos) << error.message();
        EXPECT_NE(error.message().find("kinds_by_id"), std::string::npos) << error.message();
    }
}

namespace {

Task<std::int64_t> sum_of_two(Context& context) {
    co_await add_item(context, "a", 3);
    co_await add_item(context, "b", 4);
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(sql::total_quantity);
}

}  // namespace

TEST_P(Values, ASumOfIntegersIsAnInteger) { EXPECT_EQ(store().run(sum_of_two), 7); }

LOADSTONE_ON_EVERY_BACKEND(Values);

}  // namespace tests::conformance
