#pragma once
// organisations: who belongs to which school or company, and what they may do there. An account is
// a member of one organisation at most, so "one's own" needs no name in a route, and nobody can
// name another's. Each organisation keeps an admin: the last one can neither leave nor step back.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "campus/accounts/accounts.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::organisations {

loadstone::Module module();

struct OrganisationTag {};
using OrganisationId = loadstone::Id<OrganisationTag>;
struct InvitationTag {};
using InvitationId = loadstone::Id<InvitationTag>;

// Each may do what those before it may: an instructor makes courses in the organisation, an admin
// sees its dashboard and decides about its members.
enum class Role : std::uint8_t { learner, instructor, admin };
std::optional<Role> role_of(std::string_view name);
std::string_view to_string(Role role);

struct Membership {
    OrganisationId organisation;
    Role role = Role::learner;
    loadstone::Timestamp joined_at;
};
// None: an account of its own.
loadstone::Task<std::optional<Membership>> membership(loadstone::Reader reader,
                                                      accounts::UserId user);

// Every decision about an organisation: what `user` is a member of, with at least this role there.
// A key look-up. Errc::permission_denied otherwise. What writes asks with its Tx, so that whoever
// was just removed changes nothing.
loadstone::Task<Membership> require_role(loadstone::Reader reader, accounts::UserId user,
                                         Role least);
// The same from the cache, for who asks before reading views. Never older than the call, on any
// node: on SQLite without a statement while nobody commits, on PostgreSQL for the question that
// views ask, which then need not.
loadstone::Task<Membership> require_role(loadstone::Context& context, accounts::UserId user,
                                         Role least);

// The same of a membership that is known already.
void require(const Membership& membership, Role least);

// For whom a job counts, so that organisations get equal shares: the organisation's id, or `alone`
// for what belongs to none.
std::string tenant(std::optional<OrganisationId> organisation, std::string alone);
// Of what this account has caused. A key look-up.
loadstone::Task<std::string> tenant_of(loadstone::Reader reader, accounts::UserId user);

// The job that mails an invitation.
struct SendInvitation {
    InvitationId invitation;
    OrganisationId organisation;
    std::string provider;         // of the invited address
    std::int64_t expires_us = 0;  // as it was made; who is invited again has another
};
BOOST_DESCRIBE_STRUCT(SendInvitation, (), (invitation, organisation, provider, expires_us))

// What `campus seed` makes.
struct SeededMembership {
    accounts::UserId user_id;
    OrganisationId organisation_id;
    std::string role;
    loadstone::Timestamp joined_at;
};
BOOST_DESCRIBE_STRUCT(SeededMembership, (), (user_id, organisation_id, role, joined_at))
// One that is to have so many admins.
loadstone::Task<OrganisationId> seed_organisation(loadstone::Tx& tx, std::string name,
                                                  std::int64_t admin_count,
                                                  loadstone::Timestamp created_at);
loadstone::Task<void> seed_memberships(loadstone::Tx& tx, std::vector<SeededMembership> members);

}  // namespace campus::organisations
