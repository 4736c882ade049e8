#include "loadstone/jobs/internal/firing.h"

#include <map>

#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

constexpr std::size_t firings_max = 1'000;  // at once, of MissedFire::all

struct ScheduleRow {
    std::string name;
    std::int64_t fired_at = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(ScheduleRow, (), (name, fired_at, now))

struct FiredRow {
    std::int64_t fired_at = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(FiredRow, (), (fired_at, now))

// It has fired at a time behind its next firing: the clock was ahead, by more than it takes to
// fire.
bool is_ahead(const Schedule& schedule, std::int64_t fired_at, std::int64_t now) {
    return fired_at > now && Timestamp{fired_at} > schedule.next_after({now});
}

}  // namespace

Task<void> add_schedules(Tx& tx, std::vector<Recurring> all) {
    for (const Recurring& each : all) {
        const std::string expression = to_string(each.schedule);
        co_await tx.exec(sql::add_schedule, each.name, expression);
    }
}

Task<std::vector<std::size_t>> due_schedules(Reader reader, const std::vector<Recurring>& all) {
    const auto rows = co_await reader.many<ScheduleRow>(sql::schedules);
    std::map<std::string, ScheduleRow> by_name;
    for (const ScheduleRow& row : rows) by_name[row.name] = row;
    std::vector<std::size_t> due;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto row = by_name.find(all[i].name);
        if (row == by_name.end()) continue;
        const auto& [name, fired_at, now] = row->second;
        const Timestamp next = all[i].schedule.next_after({fired_at});
        if (next.micros <= now || is_ahead(all[i].schedule, fired_at, now)) due.push_back(i);
    }
    co_return due;
}

Task<Fired> fire(Tx& tx, Recurring recurring) {
    tx.see_commits();
    co_await tx.defer(sql::bound_lock_waits);
    const auto row = co_await tx.maybe<FiredRow>(sql::lock_schedule, recurring.name);
    Fired fired;
    if (!row) co_return fired;
    if (is_ahead(recurring.schedule, row->fired_at, row->now)) {
        fired.was_ahead_us = row->fired_at - row->now;
        co_await tx.exec(sql::schedule_fired, recurring.name, row->now);
        co_return fired;
    }
    const auto firings =
        due_firings(recurring.schedule, {row->fired_at}, {row->now}, recurring.missed, firings_max);
    for (std::size_t i = 0; i < firings.size(); ++i)
        co_await enqueue_with_commit(tx, recurring.kind, recurring.arguments);
    // What was skipped is over too.
    const auto latest =
        due_firings(recurring.schedule, {row->fired_at}, {row->now}, MissedFire::once, 1);
    const bool has_more = firings.size() == firings_max;
    if (has_more || !latest.empty()) {
        const std::int64_t fired_at = has_more ? firings.back().micros : latest.back().micros;
        co_await tx.exec(sql::schedule_fired, recurring.name, fired_at);
    }
    fired.jobs = static_cast<std::int64_t>(firings.size());
    co_return fired;
}

}  // namespace loadstone::jobs::internal
