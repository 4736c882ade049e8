#pragma once
// What an operator looks at beside the jobs themselves: limits, shares, schedules, what runs. It
// reads tables, and belongs to no request.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

struct LimitNumbers {
    int running_max = 0;    // 0: any number
    double per_second = 0;  // 0: any number
    int burst = 1;
};
BOOST_DESCRIBE_STRUCT(LimitNumbers, (), (running_max, per_second, burst))

struct LimitSet {
    std::optional<int> running_max;
    std::optional<double> per_second;
    std::optional<int> burst;
};
BOOST_DESCRIBE_STRUCT(LimitSet, (), (running_max, per_second, burst))

struct BusyKey {
    std::string key;
    std::int64_t running = 0;     // places taken; counted where running_max is set
    std::int64_t lent = 0;        // of these, to processes: some may be free
    std::int64_t next_in_us = 0;  // throttled: how long until it may start the next; 0: it is not
};
BOOST_DESCRIBE_STRUCT(BusyKey, (), (key, running, lent, next_in_us))

struct LimitOverview {
    std::string name;
    bool is_in_order = false;
    bool is_declared = true;  // false: set by somebody, and not known to this program
    LimitNumbers declared;
    std::optional<LimitSet> set;   // what operators have set instead
    LimitNumbers now;              // what holds
    std::vector<BusyKey> busiest;  // of those in use, at most `keys_max`, busiest first
};
BOOST_DESCRIBE_STRUCT(LimitOverview, (),
                      (name, is_in_order, is_declared, declared, set, now, busiest))

struct TenantShare {
    std::string tenant;
    double weight = 1;
};
BOOST_DESCRIBE_STRUCT(TenantShare, (), (tenant, weight))

struct LimitsOverview {
    std::vector<LimitOverview> limits;
    std::vector<TenantShare> shares;  // those that are set; of all others the weight is 1
};
BOOST_DESCRIBE_STRUCT(LimitsOverview, (), (limits, shares))

// By name: those of this program (the service Queue) and those that are set.
Task<LimitsOverview> limits_overview(Reader reader, int keys_max);

// What stands beside a job.
struct JobDetails {
    std::string tenant;
    std::vector<std::string> limits;  // that it is under, "mail:gmail.com"
    std::vector<std::string> holds;   // those of which it has a place now
    std::string unique_key;
    std::vector<std::int64_t> waits_for;  // of a blocked one, 20 at most
    std::optional<Progress> progress;
    std::string why;  // why it does not run now, or that it does
};
BOOST_DESCRIBE_STRUCT(JobDetails, (), (tenant, limits, holds, unique_key, waits_for, progress, why))
// Of a job that there is.
Task<JobDetails> job_details(Reader reader, JobRow job);

struct ScheduleOverview {
    std::string name, kind, expression, zone;
    std::string missed;                 // "skip", "once", "all": what becomes of missed firings
    std::optional<Timestamp> fired_at;  // none: not yet
    std::optional<Timestamp> next_at;   // none: never
};
BOOST_DESCRIBE_STRUCT(ScheduleOverview, (),
                      (name, kind, expression, zone, missed, fired_at, next_at))
// Of this program, by name.
Task<std::vector<ScheduleOverview>> schedules_overview(Reader reader);

struct RunningJob {
    std::int64_t id = 0;
    std::string queue, kind;
    int attempt = 0;  // failed ones
    std::string process;
    std::int64_t runs_us = 0;        // since it was claimed
    std::optional<double> fraction;  // none: it has told nothing
    std::string note;
};
BOOST_DESCRIBE_STRUCT(RunningJob, (), (id, queue, kind, attempt, process, runs_us, fraction, note))
// Those that have run longest, first.
Task<std::vector<RunningJob>> running_jobs(Reader reader, int limit, StatsFilter filter);

}  // namespace loadstone::jobs
