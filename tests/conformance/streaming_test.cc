// Large results stream: memory stays flat, and others are served meanwhile.
#include <unistd.h>

#include <fstream>

#include "loadstone/telemetry/thread_usage.h"
#include "tests/conformance/conformance.h"

namespace tests::conformance {

struct Numbered {
    std::int64_t number = 0;
    std::string words;
};
BOOST_DESCRIBE_STRUCT(Numbered, (), (number, words))

namespace {

class Streaming : public Conformance {};

constexpr std::int64_t rows = 1'000'000;

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Sanitizers keep freed memory for a while.
constexpr std::size_t growth_max =
    loadstone::telemetry::allocations_are_counted ? std::size_t{32} << 20 : std::size_t{600} << 20;

struct Seen {
    std::int64_t rows = 0;
    bool in_order = true;
    std::size_t resident_max = 0;
};

Task<Seen> stream(Context& context) {
    Reader reader = context.reader();
    Seen seen;
    auto look = [&](const Numbered& row) {
        seen.in_order = seen.in_order && row.number == seen.rows;
        if (++seen.rows % 50'000 == 0)
            seen.resident_max = std::max(seen.resident_max, resident_bytes());
    };
    co_await reader.each<Numbered>(sql::numbers_below, look, rows);
    co_return seen;
}

Task<void> stream_in_tx(Tx& tx, Seen* seen) {
    auto look = [&](const Numbered& row) {
        seen->in_order = seen->in_order && row.number == seen->rows;
        if (++seen->rows % 50'000 == 0)
            seen->resident_max = std::max(seen->resident_max, resident_bytes());
    };
    co_await tx.each<Numbered>(sql::numbers_below, look, rows);
}
Task<void> write_stream(Context& context, Seen* seen) {
    co_await context.write(stream_in_tx, seen);
}

Task<std::vector<Numbered>> gather(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.many<Numbered>(sql::numbers_below, rows);
}

}  // namespace

TEST_P(Streaming, AMillionRowsComeInOrderInFlatMemory) {
    store().run(item_count);
    const std::size_t before = resident_bytes();
    const Seen seen = store().run(stream);
    EXPECT_EQ(seen.rows, rows);
    EXPECT_TRUE(seen.in_order);
    EXPECT_LT(seen.resident_max, before + growth_max);
}

TEST_P(Streaming, WorksInATransactionToo) {
    store().run(item_count);
    const std::size_t before = resident_bytes();
    Seen seen;
    store().run(write_stream, &seen);
    EXPECT_EQ(seen.rows, rows);
    EXPECT_TRUE(seen.in_order);
    EXPECT_LT(seen.resident_max, before + growth_max);
}

TEST_P(Streaming, ManyRefusesAResultThatIsTooLargeForIt) {
    EXPECT_EQ(code_of([&] { store().run(gather); }), Errc::internal);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Streaming, OthersAreServedMeanwhile) {
    store().run(item_count);
    auto streaming = store().start(Deadline::in(std::chrono::seconds(60)), stream);
    int served = 0;
    // A few: a flood of them would take the cores from the stream.
    while (served < 10 &&
           streaming.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        EXPECT_EQ(store().run(item_count), 0);
        ++served;
    }
    EXPECT_EQ(streaming.get().rows, rows);
    EXPECT_GT(served, 2);
}

LOADSTONE_ON_EVERY_BACKEND(Streaming);

}  // namespace tests::conformance
