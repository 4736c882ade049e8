#include "loadstone/analytics/internal/range_work.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/day_sums.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/internal/stored_range.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/context_store.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::int64_t facts_wanted = 10'000;  // on SQLite nobody writes while they are read
constexpr std::int64_t width_max = 1 << 20;
// Of a range of one key at most, in memory and in a frame: some 1.5 million facts of learning.
constexpr std::size_t bytes_max = 40U << 20U;
constexpr std::int64_t stored_facts_max = 10'000'000;  // they are not kept
constexpr std::int64_t stored_bytes_max = std::int64_t{4} << 30;
constexpr std::int64_t last_range = std::numeric_limits<std::int64_t>::max();

// What became of a range, in one transaction, once: a run that was begun anew meanwhile takes no
// note.
struct Noted {
    FeedTerm term;
    Work work;  // as it was before
    std::string state;
    std::int64_t next_key = 0, last_key = 0, facts = 0;
    std::string reason;
    std::vector<std::pair<std::int64_t, DaySums::Day>> told, stored;
};

Task<void> note(Tx& tx, Noted noted) {
    co_await require_epoch(tx, noted.term);
    const Timestamp now = Timestamp::now();
    const auto found = co_await tx.exec(sql::note_work, noted.work.fact, noted.work.run,
                                        noted.work.next_key, noted.state, noted.next_key,
                                        noted.last_key, noted.facts, noted.reason, now);
    if (found == 0) co_return;
    const std::int64_t none = 0;
    for (const auto& [day, of] : noted.told)
        co_await tx.exec(sql::add_day, noted.work.fact, day, of.facts, of.sum, none, none);
    for (const auto& [day, of] : noted.stored)
        co_await tx.exec(sql::add_day, noted.work.fact, day, none, none, of.facts, of.sum);
}

// These will be otherwise soon.
bool is_passing(Errc code) {
    return code == Errc::unavailable || code == Errc::conflict || code == Errc::cancelled;
}
// Fewer keys may do.
bool is_size(Errc code) {
    return code == Errc::deadline_exceeded || code == Errc::resource_exhausted;
}

}  // namespace

std::int64_t next_width(std::int64_t width, std::int64_t facts, std::int64_t wanted) {
    if (facts > 2 * wanted) return std::max<std::int64_t>(1, width / 2);
    if (facts < wanted / 2) return std::min(width_max, width * 2);
    return width;
}

Task<bool> RangeWork::step(Context& context, Position position, FeedTerm term) {
    if (recorder_.waiting() > range_waiting_max) co_return false;
    Reader reader = context.reader();
    const auto work = co_await reader.maybe<Work>(sql::next_work);
    if (!work) co_return false;
    const auto& tables = recorder_.tables();
    const auto table = std::ranges::find_if(
        tables, [&](const FactTable& each) { return each.schema.fact == work->fact; });
    Noted failed;
    failed.term = term;
    try {
        if (table == tables.end() || !table->back_fill.is_there())
            throw Error(Errc::invalid_argument, "this program declares no back-fill of it");
        co_return co_await range_of(context, *work, &*table, position, term);
    } catch (const Error& error) {
        if (is_passing(error.code())) throw;
        failed.reason = error.message();
        if (is_size(error.code()) && width_ > 1) {
            width_ /= 2;
            co_return true;
        }
    }
    log::warning("a table of facts could not be made anew or compared",
                 {{"fact", work->fact}, {"work", work->kind}, {"error", failed.reason}});
    failed.work = *work;
    failed.state = "failed";
    failed.next_key = work->next_key;
    failed.last_key = work->last_key;
    co_await context.write(note, failed);
    co_return true;
}

Task<bool> RangeWork::range_of(Context& context, Work work, const FactTable* table,
                               Position position, FeedTerm term) {
    RangeQuestion question;
    question.table = table;
    question.position = position;
    question.from = work.next_key;
    question.bytes_max = bytes_max;
    const bool is_last = work.state == "running" && work.next_key + width_ > work.last_key;
    question.end = is_last ? last_range : work.next_key + width_;
    RangeRead read;
    co_await context.write(read_range, question, &read);
    if (read.is_late) co_return false;
    if (read.is_too_large)
        throw Error(Errc::resource_exhausted,
                    fmt::format("the facts with {} from {} to {} have more than {} MB",
                                table->back_fill.key, read.from, read.end, bytes_max >> 20U));
    Noted noted;
    noted.term = term;
    if (work.kind == "rebuild") {
        FactRange range;
        range.position = position;
        range.run = work.run;
        range.is_last = is_last;
        co_await replace(context, *table, read, range, term);
    } else {
        DaySums told(table->schema.columns), stored(table->schema.columns);
        co_await compare(context, *table, read, &told, &stored, term);
        noted.told.assign(told.days().begin(), told.days().end());
        noted.stored.assign(stored.days().begin(), stored.days().end());
    }
    width_ = next_width(width_, read.facts, facts_wanted);
    noted.work = std::move(work);
    noted.state = is_last ? "done" : "running";
    noted.last_key = read.last_key;
    noted.next_key = is_last ? read.last_key + 1 : read.end;
    noted.facts = read.facts;
    co_await context.write(note, noted);
    if (is_last && noted.work.kind == "rebuild") {
        const int timeout_ms = static_cast<int>(analytics_.options().apply_timeout.count());
        auto forget = [&] { analytics_.store().forget_old(noted.work.fact, timeout_ms); };
        co_await run_in_term(context, analytics_.feeding(), term, forget);
    }
    co_return true;
}

Task<void> RangeWork::replace(Context& context, const FactTable& table, const RangeRead& read,
                              FactRange range, FeedTerm term) {
    range.form = {&table.schema, table.back_fill.key};
    range.from = read.from;
    range.end = read.end;
    range.rows = read.rows;
    const int timeout_ms = static_cast<int>(analytics_.options().apply_timeout.count());
    auto ask = [&] { analytics_.store().replace(range, timeout_ms); };
    co_await run_in_term(context, analytics_.feeding(), term, ask);
}

Task<void> RangeWork::compare(Context& context, const FactTable& table, const RangeRead& read,
                              DaySums* told, DaySums* stored, FeedTerm term) {
    const StoredRange range{table.back_fill.key, read.from, read.end};
    QueryBounds bounds;
    bounds.timeout = analytics_.options().apply_timeout;
    bounds.rows_max = stored_facts_max;
    bounds.bytes_max = stored_bytes_max;
    auto ask = [&] {
        WireReader rows(read.rows);
        while (!rows.at_end()) {
            rows.integer();
            told->add(rows.text(), table.schema.columns);
        }
        add_stored(analytics_.store(), table.schema, range, bounds, *stored);
        for (const NamedRollup& each : table.rollups) {
            const FormRollup rollup{{&table.schema, range.key}, each.name, &each.rollup};
            const auto differing = differing_groups(analytics_.store(), rollup, range, bounds);
            if (differing > 0)
                throw Error(Errc::data_loss,
                            fmt::format("rollup {} differs from its facts in {} rows with {} from "
                                        "{} to {}",
                                        each.name, differing, range.key, range.from, range.end));
        }
    };
    co_await run_in_term(context, analytics_.feeding(), term, ask);
}

}  // namespace loadstone::analytics::internal
