#include "campus/organisations/views.h"

#include "campus/organisations/sql_accesses.h"

namespace campus::organisations {

using namespace loadstone;

namespace {

Task<std::optional<sql::MembershipRow>> compute_membership(Reader reader, accounts::UserId user) {
    return sql::membership(reader, user);
}

}  // namespace

const cache::View<accounts::UserId, std::optional<sql::MembershipRow>> membership_of_user{
    .name = "organisations.membership",
    .compute = compute_membership,
    .reads = {{"memberships", "user_id"}},
    // Also who is removed by what the cache does not see (psql, an older version) is let in no
    // longer.
    .fresh_for = std::chrono::seconds(5),
};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(membership_of_user);
}

}  // namespace campus::organisations
