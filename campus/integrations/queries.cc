#include "campus/integrations/queries.h"

#include "campus/integrations/sql.h"

namespace campus::integrations {

using namespace loadstone;

Task<std::optional<RosterRow>> roster_by_id(Reader reader, RosterId id) {
    co_return co_await reader.maybe<RosterRow>(sql::roster_by_id, id);
}

Task<std::vector<RosterRow>> rosters(Reader reader) {
    co_return co_await reader.many<RosterRow>(sql::rosters);
}

}  // namespace campus::integrations
