#include <fmt/core.h>

#include <utility>

#include "campus/organisations/organisations.h"
#include "campus/organisations/sql.h"
#include "campus/organisations/views.h"
#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/runtime/certain_reads.h"

namespace campus::organisations {

using namespace loadstone;

std::optional<Role> role_of(std::string_view name) {
    for (const Role role : {Role::learner, Role::instructor, Role::admin}) {
        if (name == to_string(role)) return role;
    }
    return std::nullopt;
}

std::string_view to_string(Role role) {
    switch (role) {
        case Role::learner: return "learner";
        case Role::instructor: return "instructor";
        case Role::admin: return "admin";
    }
    LOADSTONE_ASSERT(false, "a role is one of three");
}

namespace {

std::optional<Membership> membership_in(const std::optional<sql::MembershipRow>& row) {
    if (!row) return std::nullopt;
    const auto role = role_of(row->role);
    LOADSTONE_ASSERT(role, "only roles are stored");
    return Membership{row->organisation_id, *role, row->joined_at};
}

const Membership& require_membership(const std::optional<Membership>& found, Role least) {
    if (!found) throw Error(Errc::permission_denied, "you are a member of no organisation");
    require(*found, least);
    return *found;
}

// While it lives. Who loses a role is refused, whatever the route allows what it shows.
class ReadLatest {
public:
    explicit ReadLatest(runtime::Reading& reading)
        : reading_(reading), certain_(reading), before_(reading.freshness) {
        reading_.freshness = latest;
    }
    ReadLatest(const ReadLatest&) = delete;
    ReadLatest& operator=(const ReadLatest&) = delete;
    ~ReadLatest() { reading_.freshness = before_; }

private:
    runtime::Reading& reading_;
    const runtime::CertainReads certain_;
    const runtime::Freshness before_;
};

}  // namespace

Task<std::optional<Membership>> membership(Reader reader, accounts::UserId user) {
    const auto row = co_await sql::membership(reader, user);
    co_return membership_in(row);
}

void require(const Membership& membership, Role least) {
    if (membership.role < least)
        throw Error(Errc::permission_denied,
                    fmt::format("that needs the role {} in your organisation, you are {}",
                                to_string(least), to_string(membership.role)));
}

Task<Membership> require_role(Reader reader, accounts::UserId user, Role least) {
    const auto found = co_await membership(reader, user);
    co_return require_membership(found, least);
}

Task<Membership> require_role(Context& context, accounts::UserId user, Role least) {
    const ReadLatest latest_for_all(context.reading());
    const auto row = co_await cache::value(context, membership_of_user, user);
    co_return require_membership(membership_in(row), least);
}

std::string tenant(std::optional<OrganisationId> organisation, std::string alone) {
    return organisation ? std::to_string(organisation->value) : std::move(alone);
}

Task<std::string> tenant_of(Reader reader, accounts::UserId user) {
    const auto row = co_await sql::membership(reader, user);
    std::optional<OrganisationId> organisation;
    if (row) organisation = row->organisation_id;
    co_return tenant(organisation, fmt::format("user {}", user.value));
}

}  // namespace campus::organisations
