#include "campus/organisations/organisations.h"
#include "campus/organisations/sql.h"

namespace campus::organisations {

using namespace loadstone;

Task<OrganisationId> seed_organisation(Tx& tx, std::string name, std::int64_t admin_count,
                                       Timestamp created_at) {
    co_return co_await sql::seed_organisation(tx, name, admin_count, created_at);
}

Task<void> seed_memberships(Tx& tx, std::vector<SeededMembership> members) {
    co_await sql::seed_memberships(tx, members);
}

}  // namespace campus::organisations
