#pragma once
// Who is a member of what, which an organisation's dashboards ask each time: kept until it changes.

#include <optional>

#include "campus/organisations/organisations.h"
#include "campus/organisations/sql.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"

namespace campus::organisations {

namespace sql {
BOOST_DESCRIBE_STRUCT(MembershipRow, (), (organisation_id, role, joined_at))
}

extern const loadstone::cache::View<accounts::UserId, std::optional<sql::MembershipRow>>
    membership_of_user;

void views(loadstone::Views& views);

}  // namespace campus::organisations
