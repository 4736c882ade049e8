#include "campus/integrations/routes.h"

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "campus/integrations/commands.h"
#include "campus/integrations/sql.h"
#include "campus/organisations/organisations.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"

namespace campus::integrations {

using namespace loadstone;

namespace {

// Without its URL, which may hold a secret.
struct Roster {
    std::string name, host;
    std::int64_t invitations = 0;
    std::optional<Timestamp> synced_at;
    std::int64_t people = 0, added = 0, changed = 0, skipped = 0;  // of that sync
    std::optional<std::string> error;                              // since
    std::optional<Timestamp> failed_at;
};
BOOST_DESCRIBE_STRUCT(Roster, (),
                      (name, host, invitations, synced_at, people, added, changed, skipped, error,
                       failed_at))

struct Rosters {
    std::vector<Roster> rosters;
};
BOOST_DESCRIBE_STRUCT(Rosters, (), (rosters))

struct Progress {
    double fraction = 0;  // 0 where the roster does not say how many it has
    std::string note;
};
BOOST_DESCRIBE_STRUCT(Progress, (), (fraction, note))

// The last sync of a roster.
struct Sync {
    std::string roster;
    std::int64_t job = 0;
    std::string state;                 // waiting, running, done, failed, cancelled
    std::optional<Timestamp> due_at;   // while it waits
    std::optional<Progress> progress;  // while it runs
    std::optional<std::string> error;  // of the last failure since one went well
};
BOOST_DESCRIBE_STRUCT(Sync, (), (roster, job, state, due_at, progress, error))

// Of a dead letter. Its own error is for operators: it may name what is inside.
constexpr const char* given_up =
    "it was given up after repeated failures; an operator can retry it";

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

// One whose job is gone and that noted no end was cancelled.
std::string state_of_ended(const sql::RosterRow& row, std::int64_t job) {
    if (row.ended_job != job) return "cancelled";
    return row.error.empty() ? "done" : "failed";
}

void show_job(Sync& sync, const jobs::JobRow& job, const std::optional<jobs::Progress>& told) {
    sync.state = job.state == "dead" ? "failed" : job.state == "running" ? "running" : "waiting";
    if (job.state == "dead") sync.error = given_up;
    if (sync.state == "waiting") sync.due_at = job.run_at;
    if (sync.state == "running") sync.progress.emplace();
    if (sync.progress && told) *sync.progress = {told->fraction, told->note};
}

Task<Reply<Sync>> show_sync(Context& context, Path<std::string> name) {
    co_await organisations::require_role(context, user_of(context), organisations::Role::admin);
    const auto asked = co_await sql::roster_by_name(context.reader(), name.value);
    if (!asked || asked->sync_job == 0)
        throw Error(Errc::not_found,
                    fmt::format("there is no sync of a roster \"{}\"", name.value));
    const auto job = co_await jobs::job_by_id(context.reader(), asked->sync_job);
    const auto told = co_await jobs::progress_of(context.reader(), asked->sync_job);
    // After its job, for one that has ended in between has noted that here.
    const auto roster = co_await sql::roster_by_id(context.reader(), asked->id);
    Reply<Sync> reply;
    Sync& sync = reply.body;
    sync.roster = asked->name;
    sync.job = asked->sync_job;
    if (roster && !roster->error.empty()) sync.error = roster->error;
    if (job) {
        show_job(sync, *job, told);
    } else {
        sync.state = state_of_ended(roster.value_or(*asked), asked->sync_job);
    }
    co_return reply;
}

Task<Reply<AskedSync, 202>> sync_roster(Context& context, const Request& request,
                                        Path<std::string> name) {
    const std::string address(request.address());
    const AskedSync asked =
        co_await context.write(ask_for_sync, name.value, user_of(context), address);
    Reply<AskedSync, 202> reply{asked};
    reply.headers.emplace_back("Location", fmt::format("/api/rosters/{}/sync", name.value));
    co_return reply;
}

Task<Reply<Rosters>> show_rosters(Context& context) {
    const auto rows = co_await sql::rosters(context.reader());
    Reply<Rosters> reply;
    for (const sql::RosterRow& row : rows) {
        Roster roster;
        roster.name = row.name;
        roster.host = row.host;
        roster.invitations = row.invitation_count;
        roster.synced_at = row.synced_at;
        roster.people = row.people;
        roster.added = row.added;
        roster.changed = row.changed;
        roster.skipped = row.skipped;
        if (!row.error.empty()) roster.error = row.error;
        roster.failed_at = row.failed_at;
        reply.body.rosters.push_back(std::move(roster));
    }
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.get("/api/rosters", show_rosters)
        .summary_is("The rosters of others: when each was read, and what came of it");
    routes.get("/api/rosters/{name}/sync", show_sync)
        .summary_is("The last sync of a roster: its state and how far it has come; for admins")
        .limit_per_address(600, std::chrono::seconds(60))  // polled, by several behind one address
        .may_answer(403)
        .may_answer(404);
    routes.post("/api/rosters/{name}/sync", sync_roster)
        .summary_is(
            "Read a roster now, unless that goes on or waits already; its state is at Location; "
            "for admins")
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(403)
        .may_answer(404);
}

}  // namespace campus::integrations
