#pragma once
// integrations' own: reads.

#include <optional>
#include <string>
#include <vector>

#include "campus/integrations/integrations.h"

namespace campus::integrations {

struct RosterRow {
    RosterId id;
    std::string name, url, host;
    loadstone::Timestamp added_at;
    std::int64_t invitation_count = 0;
    // The last sync that came to its end.
    std::optional<loadstone::Timestamp> synced_at;
    std::int64_t people = 0, added = 0, changed = 0, skipped = 0;
    // What has gone wrong since.
    std::string error;
    std::optional<loadstone::Timestamp> failed_at;
};
BOOST_DESCRIBE_STRUCT(RosterRow, (),
                      (id, name, url, host, added_at, invitation_count, synced_at, people, added,
                       changed, skipped, error, failed_at))

loadstone::Task<std::optional<RosterRow>> roster_by_id(loadstone::Reader reader, RosterId id);
// By name.
loadstone::Task<std::vector<RosterRow>> rosters(loadstone::Reader reader);

}  // namespace campus::integrations
