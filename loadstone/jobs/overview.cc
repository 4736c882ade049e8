#include "loadstone/jobs/overview.h"

#include <algorithm>
#include <map>

#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/limits.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

constexpr int waits_for_max = 20;

struct JobKeys {
    std::string partition_key, extra;
};
BOOST_DESCRIBE_STRUCT(JobKeys, (), (partition_key, extra))

struct FiredRow {
    std::string name;
    std::int64_t fired_at = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(FiredRow, (), (name, fired_at, now))

LimitNumbers numbers_of(const Limit& limit) {
    return {limit.running_max, limit.per_second, limit.burst};
}

LimitSet set_by(const internal::LimitSetting& setting) {
    LimitSet set;
    if (setting.running_max >= 0) set.running_max = setting.running_max;
    if (setting.per_second >= 0) set.per_second = setting.per_second;
    if (setting.burst >= 1) set.burst = setting.burst;
    return set;
}

std::string readable(const std::string& limit_and_key) {
    return limit_name(limit_and_key) + ":" + limit_key(limit_and_key);
}

const char* missed_text(MissedFire missed) {
    switch (missed) {
        case MissedFire::skip: return "skip";
        case MissedFire::once: return "once";
        case MissedFire::all: return "all";
    }
    return "";
}

// A firing is a whole second; what a schedule begins with when it is new is the clock's
// microsecond.
bool is_firing(Timestamp time) { return time.micros % 1'000'000 == 0; }

}  // namespace

Task<LimitsOverview> limits_overview(Reader reader, int keys_max) {
    const Queue& queue = reader.context().services().get<Queue>();
    const auto settings = co_await reader.many<internal::LimitSetting>(sql::limit_settings);
    const auto busy = co_await reader.many<internal::BusyLimitRow>(sql::busy_limits, keys_max);
    const internal::LimitBook book = internal::with_settings(queue.limits(), settings);
    std::map<std::string, LimitOverview> by_name;
    for (const auto& [name, limit] : queue.limits()) {
        LimitOverview& one = by_name[name];
        one.name = name;
        one.is_in_order = limit.is_in_order;
        one.declared = numbers_of(limit);
        one.now = numbers_of(book.at(name));
    }
    LimitsOverview overview;
    for (const internal::LimitSetting& setting : settings) {
        if (setting.name.starts_with(internal::tenant_prefix)) {
            overview.shares.push_back(
                {setting.name.substr(internal::tenant_prefix.size()), setting.weight});
            continue;
        }
        LimitOverview& one = by_name[setting.name];
        one.is_declared = !one.name.empty();
        one.name = setting.name;
        one.set = set_by(setting);
    }
    for (const internal::BusyLimitRow& row : busy) {
        const auto limit = book.find(limit_name(row.name));
        if (limit == book.end()) continue;
        const LimitState state{row.arrival_at, row.running};
        const Allowance allowed = allowance(limit->second, state, row.now, 1);
        if (row.running == 0 && allowed.count > 0) continue;
        by_name[limit->first].busiest.push_back(
            {limit_key(row.name), row.running, row.lent, allowed.retry_in_us});
    }
    for (auto& [name, one] : by_name) {
        if (name == suspect_limit && one.busiest.empty()) continue;  // nobody declared it
        overview.limits.push_back(std::move(one));
    }
    co_return overview;
}

Task<JobDetails> job_details(Reader reader, JobRow job) {
    JobDetails details;
    const auto keys = co_await reader.maybe<JobKeys>(sql::job_keys, job.id);
    if (keys) {
        const Partition partition = parse_partition(keys->partition_key);
        details.tenant = unescaped(partition.tenant);
        for (const std::string& name : partition.limits) details.limits.push_back(readable(name));
        const internal::Extra extra = internal::readable_extra_of(keys->extra);
        details.unique_key = extra.unique;
        for (const auto* held : {&extra.holds, &extra.keeps}) {
            for (const std::string& name : *held) details.holds.push_back(readable(name));
        }
    }
    if (job.state == "blocked")
        details.waits_for =
            co_await reader.many<std::int64_t>(sql::waits_for, job.id, waits_for_max);
    details.progress = co_await progress_of(reader, job.id);
    details.why = co_await why(reader, job.id);
    co_return details;
}

Task<std::vector<ScheduleOverview>> schedules_overview(Reader reader) {
    const Queue& queue = reader.context().services().get<Queue>();
    const auto rows = co_await reader.many<FiredRow>(sql::schedules);
    std::vector<ScheduleOverview> all;
    for (const Recurring& each : queue.recurring()) {
        ScheduleOverview one;
        one.name = each.name;
        one.kind = each.kind;
        one.expression = each.schedule.expression();
        one.zone = each.schedule.zone();
        one.missed = missed_text(each.missed);
        const auto row = std::ranges::find(rows, each.name, &FiredRow::name);
        const Timestamp since = row == rows.end() ? Timestamp::now() : Timestamp{row->fired_at};
        if (row != rows.end() && is_firing(since)) one.fired_at = since;
        const Timestamp next = each.schedule.next_after(since);
        if (next != Schedule::never) one.next_at = next;
        all.push_back(std::move(one));
    }
    std::ranges::sort(all, {}, &ScheduleOverview::name);
    co_return all;
}

Task<std::vector<RunningJob>> running_jobs(Reader reader, int limit, StatsFilter filter) {
    co_return co_await reader.many<RunningJob>(sql::running_jobs, limit, filter.queue, filter.kind);
}

}  // namespace loadstone::jobs
