#pragma once
// organisations' own: writes. Each is one transaction, and asks require_role() itself.
// Errc::permission_denied: `by` is no admin; conflict: it would leave an organisation without one,
// or its role was changed meanwhile.

#include <string>

#include "campus/organisations/organisations.h"

namespace campus::organisations {

inline constexpr std::int64_t invitations_max = 1'000;  // of an organisation, that are open
inline constexpr std::chrono::hours invitation_life{14 * 24};

struct NewOrganisation {
    std::string name;
    accounts::UserId admin;
};
// For the operator. Errc::already_exists: the name is taken, or the admin is a member of one.
loadstone::Task<OrganisationId> create_organisation(loadstone::Tx& tx, NewOrganisation in);

struct NewMember {
    OrganisationId organisation;
    accounts::UserId user;
    Role role = Role::learner;
    std::string address;  // of the client, for the audit log
};
// Nobody is asked: for the operator. Errc::already_exists: a member of one.
loadstone::Task<void> add_member(loadstone::Tx& tx, NewMember in);

struct NewInvitation {
    accounts::UserId by;
    std::string email;  // normalised
    Role role = Role::learner;
    std::string address;
};
// With the job that mails it. Errc::conflict: there are invitations_max.
loadstone::Task<InvitationId> invite(loadstone::Tx& tx, NewInvitation in);
loadstone::Task<void> set_token(loadstone::Tx& tx, InvitationId id, std::string token_hash);
// Errc::not_found: the organisation of `by` has none of this id.
loadstone::Task<void> revoke_invitation(loadstone::Tx& tx, InvitationId id, accounts::UserId by);

struct Acceptance {
    accounts::UserId user;
    std::string token_hash;
    std::string address;
};
// Errc::not_found: no such token, or it is over or used; already_exists: a member of one.
loadstone::Task<OrganisationId> accept_invitation(loadstone::Tx& tx, Acceptance in);

struct RoleChange {
    accounts::UserId by, user;
    Role role = Role::learner;
    std::string address;
};
// Errc::not_found: no member of the organisation of `by`.
loadstone::Task<void> change_role(loadstone::Tx& tx, RoleChange in);

struct Removal {
    accounts::UserId by, user;  // the same: they leave
    std::string address;
};
// Their courses stay the organisation's. Errc::not_found as above.
loadstone::Task<void> remove_member(loadstone::Tx& tx, Removal in);

}  // namespace campus::organisations
