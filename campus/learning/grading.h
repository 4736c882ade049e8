#pragma once
// learning's own: what a grading run writes. Each is one transaction; those with a lease complete
// the job.

#include <optional>
#include <string>
#include <vector>

#include "campus/learning/queries.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/job.h"

namespace campus::learning {

// Beyond so many learners the run is planned by a job.
inline constexpr int learners_planned_at_once = 20 * static_cast<int>(learners_in_slice);

struct NewRun {
    courses::CourseId course;
    accounts::UserId instructor;
    std::string address;  // of the client, for the audit log
};
// The run and its jobs, or nothing. What was attempted before now counts, with the quizzes' weights
// as they are now. Errc::conflict: no quiz has a weight; already_exists: one runs. (That one is not
// given instead: it does not know what was attempted since it began.)
loadstone::Task<RunId> start_run(loadstone::Tx& tx, NewRun in);

// The same at a time, with what holds then. Errc::already_exists: one waits for its time.
loadstone::Task<RunId> schedule_run(loadstone::Tx& tx, NewRun in, loadstone::Timestamp at);
// Its time has come. While another one of the course runs it waits for the end of that (one with
// which nothing goes on is given up), and fails if no quiz has a weight. Nothing but the job's end
// if it waits no more.
loadstone::Task<void> begin_run(loadstone::Tx& tx, loadstone::jobs::Lease lease, RunId run);
// What cancel_run throws for it.
loadstone::Error run_has_ended(RunId run);
// All jobs of the run are dropped or told to end; grades that it gave stay. `run` as it was read
// before: jobs::cancel_workflow begins its transaction. Errc::conflict: it has ended, or another
// job goes on with it now.
loadstone::Task<void> cancel_run(loadstone::Tx& tx, sql::RunRow run, accounts::UserId by,
                                 std::string address);

loadstone::Task<void> plan_run(loadstone::Tx& tx, loadstone::jobs::Lease lease, sql::RunRow run,
                               std::vector<Slice> slices, std::int64_t learners);

// Those that the learners have are replaced. (No statement deletes grades: what is read of them
// before an upsert is what it replaces.)
loadstone::Task<void> put_grades(loadstone::Tx& tx, courses::CourseId course, RunId run,
                                 std::vector<Grade> grades, loadstone::Timestamp now);

struct GradedSlice {
    std::int64_t number = 0;
    std::vector<Grade> grades;
    Statistics statistics;
};
// Nothing but the job's end if the run has ended.
loadstone::Task<void> record_slice(loadstone::Tx& tx, loadstone::jobs::Lease lease, sql::RunRow run,
                                   GradedSlice slice);

// The run ends, done, or failed if some of its slices were not recorded, and its instructor is told
// by a job. Nothing but the job's end if it has ended before.
loadstone::Task<void> finish_run(loadstone::Tx& tx, loadstone::jobs::Lease lease, RunId run);
// Why nothing goes on with a run whose `job`, which was to do so, is `found`; none: it goes on.
std::optional<std::string> stranded_by(std::int64_t job, const loadstone::jobs::JobRow* found);
// Fails a run with which `job` was to begin or to go on, and its instructor is told by a job.
loadstone::Task<void> give_up_run(loadstone::Tx& tx, RunId run, std::int64_t job,
                                  std::string reason);

}  // namespace campus::learning
