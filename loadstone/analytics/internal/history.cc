#include "loadstone/analytics/internal/history.h"

#include <fmt/core.h>

#include <span>

#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::int64_t batch_facts_max = 100'000;  // analytics.batch_facts

std::uint64_t with_bytes(std::uint64_t hash, std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
        hash ^= static_cast<std::uint64_t>(byte);
        hash *= 0x100000001b3U;
    }
    return hash;
}

[[noreturn]] void throw_other_past(const std::string& what) {
    throw Error(Errc::data_loss,
                what +
                    ". Facts wait until the store is made anew: see docs/operating, \"A store "
                    "that was lost\", and `analytics rebuild`");
}

// Behind the facts that the database still has from where it noted to where the store is; none: the
// store is not one batch further.
Task<std::optional<std::int64_t>> history_to(Reader reader, FeedState noted, Position at) {
    const bool is_same_window = at.low == noted.low && at.high == noted.high;
    if (!is_same_window && at.low != noted.high) co_return std::nullopt;
    const std::int64_t from = is_same_window ? noted.seq : 0;
    std::int64_t history = noted.history;
    auto take = [&](const StoredFact& fact) {
        if (fact.seq <= at.seq) history = next_history(history, fact);
    };
    co_await reader.each<StoredFact>(sql::facts_of_window, take, at.low, at.high, from,
                                     batch_facts_max);
    co_return history;
}

}  // namespace

std::int64_t next_history(std::int64_t history, const StoredFact& fact) {
    const std::int64_t head[] = {history, fact.seq, fact.form};
    const std::uint64_t hash = with_bytes(0xcbf29ce484222325U, std::as_bytes(std::span(head)));
    return static_cast<std::int64_t>(with_bytes(hash, fact.body));
}

Task<void> require_same_past(Reader reader, FeedState noted, StoreState store) {
    const Position& at = store.position;
    if (at.high < noted.high || (at.high == noted.high && at.seq < noted.seq))
        throw_other_past(fmt::format(
            "the column store is at fact {}, and the database has given it those up to {}: the "
            "store was put back to an earlier day",
            at.seq, noted.seq));
    const auto now = co_await reader.one<Transactions>(sql::transactions_now);
    const auto last = co_await reader.one<std::int64_t>(sql::last_fact);
    if (at.seq > last || at.high > now.next)
        throw_other_past(fmt::format(
            "the column store is at fact {}, and the database has given out {}: the database was "
            "put back to an earlier day",
            at.seq, last));
    if (store.history == 0) co_return;  // a version without histories has fed it
    std::optional<std::int64_t> reached = noted.history;
    if (at != noted.position()) reached = co_await history_to(reader, noted, at);
    if (reached == store.history) co_return;
    const auto again = co_await reader.maybe<FeedState>(sql::feed_state);
    if (again && again->history != noted.history)
        throw Error(Errc::conflict, "another server feeds the column store");
    throw_other_past(fmt::format(
        "the column store has been given other facts up to {} than those of this database: the "
        "database was put back to an earlier day",
        at.seq));
}

}  // namespace loadstone::analytics::internal
