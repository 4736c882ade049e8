#include "campus/integrations/routes.h"

#include <optional>
#include <utility>
#include <vector>

#include "campus/integrations/sql.h"

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
}

}  // namespace campus::integrations
