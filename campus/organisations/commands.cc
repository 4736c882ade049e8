#include "campus/organisations/commands.h"

#include <fmt/core.h>

#include <utility>

#include "campus/audit/audit.h"
#include "campus/organisations/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/mail.h"

namespace campus::organisations {

using namespace loadstone;

namespace {

// First of all, so that those who do this at once wait for each other and not for a member's row.
Task<void> discount_admin(Tx& tx, OrganisationId organisation) {
    const auto left = co_await sql::discount_admin(tx, organisation);
    if (left == 0)
        throw Error(Errc::conflict,
                    "the organisation has no other admin: make somebody else one first");
}

Error changed_meanwhile(accounts::UserId user) {
    return {Errc::conflict, fmt::format("the role of user {} was changed meanwhile", user.value)};
}

// A member of another organisation is as one who is not there.
Task<Membership> member_of(Tx& tx, OrganisationId organisation, accounts::UserId user) {
    const auto found = co_await membership(tx, user);
    if (!found || found->organisation != organisation)
        throw Error(Errc::not_found,
                    fmt::format("user {} is no member of your organisation", user.value));
    co_return *found;
}

}  // namespace

Task<OrganisationId> create_organisation(Tx& tx, NewOrganisation in) {
    const Timestamp now = Timestamp::now();
    const auto id = co_await sql::insert_organisation(tx, in.name, now);
    if (!id)
        throw Error(Errc::already_exists,
                    fmt::format("there is an organisation \"{}\" already", in.name));
    NewMember first;
    first.organisation = *id;
    first.user = in.admin;
    first.role = Role::admin;
    co_await add_member(tx, std::move(first));
    co_return *id;
}

Task<void> add_member(Tx& tx, NewMember in) {
    const Timestamp now = Timestamp::now();
    const auto joined =
        co_await sql::insert_membership(tx, in.user, in.organisation, to_string(in.role), now);
    if (joined == 0)
        throw Error(Errc::already_exists,
                    fmt::format("user {} is a member of an organisation already", in.user.value));
    if (in.role == Role::admin) co_await sql::count_admin(tx, in.organisation);
    std::string detail =
        fmt::format("became {} of organisation {}", to_string(in.role), in.organisation.value);
    co_await audit::append(tx, in.user.value, "organisation.joined", std::move(detail),
                           std::move(in.address));
}

Task<InvitationId> invite(Tx& tx, NewInvitation in) {
    const Membership admin = co_await require_role(tx, in.by, Role::admin);
    const Timestamp now = Timestamp::now();
    const Timestamp end = now + invitation_life;
    co_await sql::remove_expired_invitations(tx, admin.organisation, now);
    const auto id = co_await sql::insert_invitation(tx, admin.organisation, in.email,
                                                    to_string(in.role), end, invitations_max);
    if (!id)
        throw Error(Errc::conflict, fmt::format("{} invitations of your organisation are open, "
                                                "the limit",
                                                invitations_max));
    const SendInvitation mail{*id, admin.organisation, outbound::provider_of(in.email), end.micros};
    co_await tx.enqueue(mail);
    std::string detail = fmt::format("invitation {} as {}", id->value, to_string(in.role));
    co_await audit::append(tx, in.by.value, "organisation.invited", std::move(detail),
                           std::move(in.address));
    co_return *id;
}

Task<void> set_token(Tx& tx, InvitationId id, std::string token_hash) {
    co_await sql::set_token(tx, id, token_hash);
}

Task<void> revoke_invitation(Tx& tx, InvitationId id, accounts::UserId by) {
    const Membership admin = co_await require_role(tx, by, Role::admin);
    const auto removed = co_await sql::remove_invitation(tx, id, admin.organisation);
    if (removed == 0)
        throw Error(Errc::not_found,
                    fmt::format("your organisation has no invitation {}", id.value));
}

Task<OrganisationId> accept_invitation(Tx& tx, Acceptance in) {
    const Timestamp now = Timestamp::now();
    const auto taken = co_await sql::take_invitation(tx, in.token_hash, now);
    if (!taken)
        throw Error(Errc::not_found, "there is no such invitation, or it is over or was used");
    NewMember member;
    member.organisation = taken->organisation_id;
    member.user = in.user;
    member.role = role_of(taken->role).value();
    member.address = std::move(in.address);
    co_await add_member(tx, std::move(member));
    co_return taken->organisation_id;
}

Task<void> change_role(Tx& tx, RoleChange in) {
    const Membership admin = co_await require_role(tx, in.by, Role::admin);
    const Membership member = co_await member_of(tx, admin.organisation, in.user);
    if (member.role == in.role) co_return;
    if (member.role == Role::admin) co_await discount_admin(tx, admin.organisation);
    if (in.role == Role::admin) co_await sql::count_admin(tx, admin.organisation);
    const auto changed = co_await sql::set_role(tx, in.user, admin.organisation,
                                                to_string(member.role), to_string(in.role));
    if (changed == 0) throw changed_meanwhile(in.user);
    std::string detail = fmt::format("user {} was {}, is {}", in.user.value, to_string(member.role),
                                     to_string(in.role));
    co_await audit::append(tx, in.by.value, "organisation.role", std::move(detail),
                           std::move(in.address));
}

Task<void> remove_member(Tx& tx, Removal in) {
    const Role least = in.by == in.user ? Role::learner : Role::admin;
    const Membership own = co_await require_role(tx, in.by, least);
    const Membership member = co_await member_of(tx, own.organisation, in.user);
    if (member.role == Role::admin) co_await discount_admin(tx, own.organisation);
    const auto removed =
        co_await sql::remove_membership(tx, in.user, own.organisation, to_string(member.role));
    if (removed == 0) throw changed_meanwhile(in.user);
    std::string detail =
        fmt::format("user {} left organisation {}", in.user.value, own.organisation.value);
    co_await audit::append(tx, in.by.value, "organisation.left", std::move(detail),
                           std::move(in.address));
}

}  // namespace campus::organisations
