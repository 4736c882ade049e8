#include "campus/integrations/commands.h"

#include <fmt/core.h>

#include "campus/audit/audit.h"
#include "campus/integrations/sql.h"
#include "campus/organisations/organisations.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"

namespace campus::integrations {

using namespace loadstone;

namespace {

// False: it has been removed. Nobody removes it before this transaction ends.
Task<bool> hold(Tx& tx, RosterId roster) {
    const auto found = co_await sql::count_invitations(tx, roster, 0);
    co_return found == 1;
}

Task<sql::RosterRow> required(Tx& tx, const std::string& name) {
    const auto roster = co_await sql::roster_by_name(tx, name);
    if (!roster) throw Error(Errc::not_found, fmt::format("there is no roster \"{}\"", name));
    co_return *roster;
}

Task<AskedSync> enqueue_sync(Tx& tx, RosterId roster, std::string host) {
    const SyncRoster sync{roster, std::move(host)};
    const jobs::Enqueued enqueued = co_await jobs::enqueue_told(tx, sync);
    co_await sql::set_sync_job(tx, roster, enqueued.id);
    AskedSync asked;
    asked.job = enqueued.id;
    asked.is_new = enqueued.is_new;
    co_return asked;
}

}  // namespace

Task<RosterId> add_roster(Tx& tx, NewRoster roster) {
    const auto count = co_await sql::roster_count(tx);
    if (count >= rosters_max)
        throw Error(Errc::resource_exhausted,
                    fmt::format("there are {} rosters already, the limit", count));
    const auto same = co_await sql::roster_by_name(tx, roster.name);
    if (same)
        throw Error(Errc::already_exists,
                    fmt::format("there is a roster \"{}\" already", roster.name));
    const Timestamp now = Timestamp::now();
    const RosterId id = co_await sql::insert_roster(tx, roster.name, roster.url, roster.host, now);
    co_await enqueue_sync(tx, id, roster.host);
    co_return id;
}

Task<void> remove_roster(Tx& tx, std::string name) {
    const sql::RosterRow roster = co_await required(tx, name);
    co_await hold(tx, roster.id);
    co_await sql::remove_invitations(tx, roster.id);
    co_await sql::remove_roster(tx, roster.id);
}

Task<std::int64_t> sync_now(Tx& tx, std::string name) {
    const sql::RosterRow roster = co_await required(tx, name);
    const AskedSync asked = co_await enqueue_sync(tx, roster.id, roster.host);
    co_await jobs::retry_job(tx, asked.job);
    co_return asked.job;
}

Task<AskedSync> ask_for_sync(Tx& tx, std::string name, accounts::UserId by, std::string address) {
    co_await organisations::require_role(tx, by, organisations::Role::admin);
    const sql::RosterRow roster = co_await required(tx, name);
    const AskedSync asked = co_await enqueue_sync(tx, roster.id, roster.host);
    if (asked.is_new) {
        std::string detail = fmt::format("a sync of roster {} was asked for", roster.name);
        co_await audit::append(tx, by.value, "roster.sync_requested", detail, address);
    }
    co_return asked;
}

Task<int> sync_all(Tx& tx) {
    const auto all = co_await sql::rosters(tx);
    for (const sql::RosterRow& roster : all) co_await enqueue_sync(tx, roster.id, roster.host);
    co_return static_cast<int>(all.size());
}

Task<Step> take_page(Tx& tx, jobs::Lease lease, RosterId roster, std::vector<Person> people,
                     Step step) {
    const bool is_there = co_await hold(tx, roster);
    if (!is_there) throw Error(Errc::not_found, "the roster has been removed");
    const Timestamp now = Timestamp::now();
    const auto added = co_await sql::insert_invitations(tx, roster, people, now);
    const auto changed = co_await sql::rename_invited(tx, roster, people, now);
    const auto more = static_cast<std::int64_t>(added);
    if (more > 0) co_await sql::count_invitations(tx, roster, more);
    step.added += more;
    step.changed += static_cast<std::int64_t>(changed);
    co_await jobs::save_step(tx, lease, step_name, step);
    co_return step;
}

Task<void> finish_sync(Tx& tx, jobs::Lease lease, RosterId roster, Step step) {
    co_await jobs::complete(tx, lease);
    co_await sql::sync_ended(tx, roster, lease.job);
    const Timestamp now = Timestamp::now();
    co_await sql::roster_synced(tx, roster, now, step.people, step.added, step.changed,
                                step.skipped);
}

Task<void> end_sync(Tx& tx, jobs::Lease lease, RosterId roster, std::string error) {
    co_await jobs::complete(tx, lease);
    co_await sql::sync_ended(tx, roster, lease.job);
    co_await note_failure(tx, roster, error);
}

Task<void> note_failure(Tx& tx, RosterId roster, std::string error) {
    const Timestamp now = Timestamp::now();
    co_await sql::roster_failed(tx, roster, error, now);
}

}  // namespace campus::integrations
