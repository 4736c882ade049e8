#pragma once
// integrations' own: writes. Each is one transaction.

#include <string>
#include <vector>

#include "campus/accounts/accounts.h"
#include "campus/integrations/integrations.h"
#include "campus/integrations/page.h"
#include "loadstone/jobs/job.h"

namespace campus::integrations {

inline constexpr int rosters_max = 100;

struct NewRoster {
    std::string name, url, host;
};

// With its first sync as a job. Errc::already_exists, resource_exhausted.
loadstone::Task<RosterId> add_roster(loadstone::Tx& tx, NewRoster roster);
// With its invitations. Errc::not_found.
loadstone::Task<void> remove_roster(loadstone::Tx& tx, std::string name);
// Gives its job, which is made due now if it was put off. Errc::not_found.
loadstone::Task<std::int64_t> sync_now(loadstone::Tx& tx, std::string name);

struct AskedSync {
    std::int64_t job = 0;
    bool is_new = false;  // false: that one waited or ran already, and is left as it is
};
BOOST_DESCRIBE_STRUCT(AskedSync, (), (job, is_new))
// For the admins of organisations. A server that has put a sync off is not asked earlier by it.
// Errc::not_found, permission_denied.
loadstone::Task<AskedSync> ask_for_sync(loadstone::Tx& tx, std::string name, accounts::UserId by,
                                        std::string address);
// Gives how many there are.
loadstone::Task<int> sync_all(loadstone::Tx& tx);

// How far a sync has come: what the next attempt begins with.
struct Step {
    std::string next;      // the page that comes now; empty: the first
    bool is_over = false;  // there is none left
    std::int64_t pages = 0, people = 0, added = 0, changed = 0, skipped = 0;
};
BOOST_DESCRIBE_STRUCT(Step, (), (next, is_over, pages, people, added, changed, skipped))
inline constexpr const char* step_name = "page";

// Who is new is invited and the step saved, or nothing. Gives the step with what was added and
// changed. Errc::not_found: the roster has been removed.
loadstone::Task<Step> take_page(loadstone::Tx& tx, loadstone::jobs::Lease lease, RosterId roster,
                                std::vector<Person> people, Step step);
// These end the job.
loadstone::Task<void> finish_sync(loadstone::Tx& tx, loadstone::jobs::Lease lease, RosterId roster,
                                  Step step);
loadstone::Task<void> end_sync(loadstone::Tx& tx, loadstone::jobs::Lease lease, RosterId roster,
                               std::string error);
// It goes on later.
loadstone::Task<void> note_failure(loadstone::Tx& tx, RosterId roster, std::string error);

}  // namespace campus::integrations
