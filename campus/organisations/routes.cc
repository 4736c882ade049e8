#include "campus/organisations/routes.h"

#include <fmt/core.h>

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/organisations/commands.h"
#include "campus/organisations/sql.h"
#include "loadstone/base/error.h"

namespace campus::organisations {

using namespace loadstone;

namespace {

void check_role(Check& check, const std::string& role) {
    check.that("role", role_of(role).has_value(), "must be learner, instructor or admin");
}

struct OwnOrganisation {
    OrganisationId id;
    std::string name;
    std::string role;
    Timestamp joined_at;
};
BOOST_DESCRIBE_STRUCT(OwnOrganisation, (), (id, name, role, joined_at))

struct InvitationCode {
    std::string invitation;  // as it was mailed
};
BOOST_DESCRIBE_STRUCT(InvitationCode, (), (invitation))

void validate(Check& check, const InvitationCode& in) {
    check.length("invitation", in.invitation, 1, 100);
}

struct PageOfMembers {
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfMembers, (), (after, limit))

void validate(Check& check, const PageOfMembers& page) {
    check.range("after", page.after.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct Member {
    accounts::UserId user;
    std::string name, role;
    Timestamp joined_at;
};
BOOST_DESCRIBE_STRUCT(Member, (), (user, name, role, joined_at))

struct Members {
    std::vector<Member> members;                 // by id
    std::optional<accounts::UserId> next_after;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Members, (), (members, next_after))

struct NewRole {
    std::string role;
};
BOOST_DESCRIBE_STRUCT(NewRole, (), (role))

void validate(Check& check, const NewRole& in) { check_role(check, in.role); }

struct Invited {
    std::string email, role;
};
BOOST_DESCRIBE_STRUCT(Invited, (), (email, role))

void validate(Check& check, const Invited& in) {
    check.email("email", in.email);
    check_role(check, in.role);
}

struct MadeInvitation {
    InvitationId id;
};
BOOST_DESCRIBE_STRUCT(MadeInvitation, (), (id))

struct PageOfInvitations {
    std::optional<std::string> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfInvitations, (), (after, limit))

void validate(Check& check, const PageOfInvitations& page) {
    check.length("after", page.after.value_or(""), 0, 254);
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct OpenInvitation {
    InvitationId id;
    std::string email, role;
    Timestamp expires_at;
};
BOOST_DESCRIBE_STRUCT(OpenInvitation, (), (id, email, role, expires_at))

struct Invitations {
    std::vector<OpenInvitation> invitations;  // by address
    std::optional<std::string> next_after;    // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Invitations, (), (invitations, next_after))

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

Task<OwnOrganisation> own_of(Context& context) {
    const auto own = co_await membership(context.reader(), user_of(context));
    if (!own) throw Error(Errc::not_found, "you are a member of no organisation");
    auto organisation = co_await sql::organisation_by_id(context.reader(), own->organisation);
    if (!organisation) throw Error(Errc::internal, "a membership without its organisation");
    co_return OwnOrganisation{own->organisation, std::move(organisation->name),
                              std::string(to_string(own->role)), own->joined_at};
}

Task<Reply<OwnOrganisation>> show_own(Context& context) {
    Reply<OwnOrganisation> reply;
    reply.body = co_await own_of(context);
    co_return reply;
}

Task<Reply<OwnOrganisation, 201>> join(Context& context, const Request& request,
                                       Body<InvitationCode> in) {
    Acceptance acceptance;
    acceptance.user = user_of(context);
    acceptance.token_hash = accounts::token_hash(in->invitation);
    acceptance.address = request.address();
    co_await context.write(accept_invitation, acceptance);
    Reply<OwnOrganisation, 201> reply;
    reply.body = co_await own_of(context);
    co_return reply;
}

Task<Reply<Members>> show_members(Context& context, Parameters<PageOfMembers> page) {
    const Membership own = co_await require_role(context.reader(), user_of(context), Role::admin);
    std::optional<sql::MembersCursor> after;
    if (page->after) after.emplace().user_id = accounts::UserId(*page->after);
    const auto found =
        co_await sql::members(context.reader(), own.organisation, page->limit.value_or(50), after);
    std::vector<accounts::UserId> ids;
    for (const sql::MemberRow& row : found.rows) ids.push_back(row.user_id);
    auto people = co_await accounts::people(context.reader(), ids);
    std::unordered_map<accounts::UserId, std::string> name_of;
    for (accounts::Person& person : people) name_of[person.id] = std::move(person.name);
    Reply<Members> reply;
    if (found.next) reply.body.next_after = found.next->user_id;
    for (const sql::MemberRow& row : found.rows)
        reply.body.members.push_back({row.user_id, name_of[row.user_id], row.role, row.joined_at});
    co_return reply;
}

Task<Response> set_role(Context& context, const Request& request, Path<accounts::UserId> user,
                        Body<NewRole> in) {
    RoleChange change;
    change.by = user_of(context);
    change.user = user.value;
    change.role = role_of(in->role).value();
    change.address = request.address();
    co_await context.write(change_role, change);
    co_return net::no_content();
}

Task<Response> remove(Context& context, const Request& request, Path<accounts::UserId> user) {
    Removal removal;
    removal.by = user_of(context);
    removal.user = user.value;
    removal.address = request.address();
    co_await context.write(remove_member, removal);
    co_return net::no_content();
}

Task<Reply<Invitations>> show_invitations(Context& context, Parameters<PageOfInvitations> page) {
    const Membership own = co_await require_role(context.reader(), user_of(context), Role::admin);
    std::optional<sql::InvitationsCursor> after;
    if (page->after) after.emplace().email = *page->after;
    auto found = co_await sql::invitations(context.reader(), own.organisation,
                                           page->limit.value_or(50), after);
    Reply<Invitations> reply;
    if (found.next) reply.body.next_after = found.next->email;
    for (sql::InvitationRow& row : found.rows)
        reply.body.invitations.push_back(
            {row.id, std::move(row.email), std::move(row.role), row.expires_at});
    co_return reply;
}

Task<Reply<MadeInvitation, 201>> make_invitation(Context& context, const Request& request,
                                                 Body<Invited> in) {
    NewInvitation invitation;
    invitation.by = user_of(context);
    invitation.email = accounts::normalised_email(in->email);
    invitation.role = role_of(in->role).value();
    invitation.address = request.address();
    const InvitationId id = co_await context.write(invite, invitation);
    Reply<MadeInvitation, 201> reply{{id}};
    co_return reply;
}

Task<Response> remove_invitation(Context& context, Path<InvitationId> id) {
    co_await context.write(revoke_invitation, id.value, user_of(context));
    co_return net::no_content();
}

}  // namespace

void routes(Routes& routes) {
    const std::chrono::seconds minute(60);
    routes.get("/api/organisation", show_own)
        .summary_is("One's own organisation and one's role there")
        .may_answer(404);
    routes.post("/api/organisation/membership", join)
        .summary_is("Accept an invitation with its code")
        .body_max(1024)
        .limit_per_address(30, minute)
        .may_answer(404)
        .may_answer(409);
    routes.get("/api/organisation/members", show_members)
        .summary_is("The members of one's own organisation; for its admins")
        .may_answer(403);
    routes.put("/api/organisation/members/{user}", set_role)
        .summary_is("Set the role of a member; for admins")
        .body_max(1024)
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
    routes.remove("/api/organisation/members/{user}", remove)
        .summary_is("Remove a member, for admins; or leave")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
    routes.get("/api/organisation/invitations", show_invitations)
        .summary_is("The open invitations of one's own organisation; for its admins")
        .may_answer(403);
    routes.post("/api/organisation/invitations", make_invitation)
        .summary_is("Invite by mail, or again; for admins")
        .body_max(2048)
        .limit_per_address(60, minute)
        .may_answer(403)
        .may_answer(409);
    routes.remove("/api/organisation/invitations/{invitation}", remove_invitation)
        .summary_is("Take an invitation back; for admins")
        .may_answer(403)
        .may_answer(404);
}

}  // namespace campus::organisations
