-- Roles: learner, instructor, admin.

-- id: OrganisationId campus::organisations::OrganisationTag
-- id: InvitationId campus::organisations::InvitationTag
-- id: UserId campus::accounts::UserTag
-- type: OrganisationId organisations.id memberships.organisation_id member_invitations.organisation_id
-- type: InvitationId member_invitations.id
-- type: UserId memberships.user_id
-- type: timestamp organisations.created_at memberships.joined_at member_invitations.expires_at

-- name: insert_organisation :maybe (name text, now timestamp)
-- None: the name is taken. Index: organisations_by_name.
insert into organisations (name, admin_count, created_at) values ($name, 0, $now) on conflict (name) do nothing returning id

-- name: organisation_by_id :maybe (id OrganisationId) -> OrganisationRow
select id, name, admin_count, created_at from organisations where id = $id

-- name: organisation_by_name :maybe (name text) -> OrganisationRow
-- Index: organisations_by_name.
select id, name, admin_count, created_at from organisations where name = $name

-- name: organisations :page (id) () -> OrganisationRow
select id, name, admin_count, created_at from organisations

-- name: count_admin :exec (organisation OrganisationId)
update organisations set admin_count = admin_count + 1 where id = $organisation

-- name: discount_admin :exec (organisation OrganisationId)
-- None: it has one alone. Whoever does this holds the organisation until its transaction ends.
update organisations set admin_count = admin_count - 1 where id = $organisation and admin_count > 1

-- name: membership :maybe (user UserId) -> MembershipRow
select organisation_id, role, joined_at from memberships where user_id = $user

-- name: members :page (user_id) (organisation OrganisationId) -> MemberRow
-- Index: memberships_of_organisation.
select user_id, role, joined_at from memberships where organisation_id = $organisation

-- name: insert_membership :exec (user UserId, organisation OrganisationId, role text, now timestamp)
-- None: a member of one already. Primary key.
insert into memberships (user_id, organisation_id, role, joined_at) values ($user, $organisation, $role, $now)
on conflict (user_id) do nothing

-- name: set_role :exec (user UserId, organisation OrganisationId, was text, role text)
-- None: another transaction was faster. Primary key.
update memberships set role = $role where user_id = $user and organisation_id = $organisation and role = $was

-- name: remove_membership :exec (user UserId, organisation OrganisationId, was text)
-- As set_role.
delete from memberships where user_id = $user and organisation_id = $organisation and role = $was

-- name: remove_expired_invitations :exec (organisation OrganisationId, now timestamp)
-- Index: member_invitations_of_organisation, the organisation's part of it.
delete from member_invitations where organisation_id = $organisation and expires_at <= $now

-- name: insert_invitation :maybe (organisation OrganisationId, email text, role text, expires_at timestamp, invitations_max int)
-- Who is invited again gets a new one, and the old token is void. None: there are as many as there may be. Index:
-- member_invitations_of_organisation, the organisation's part of it.
insert into member_invitations (organisation_id, email, role, expires_at)
select $organisation, $email, $role, $expires_at
where (select count(*) from member_invitations where organisation_id = $organisation and email <> $email) < $invitations_max
on conflict (organisation_id, email) do update set role = excluded.role, expires_at = excluded.expires_at, token_hash = null
returning id

-- name: invitation_by_id :maybe (id InvitationId) -> InvitationRow
select id, organisation_id, email, role, expires_at from member_invitations where id = $id

-- name: invitations :page (email) (organisation OrganisationId) -> InvitationRow
-- Index: member_invitations_of_organisation.
select id, organisation_id, email, role, expires_at from member_invitations where organisation_id = $organisation

-- name: set_token :exec (id InvitationId, token_hash text)
-- Of each invitation the last one holds.
update member_invitations set token_hash = $token_hash where id = $id

-- name: take_invitation :maybe (token_hash text, now timestamp) -> TakenInvitation
-- Nobody takes it twice. Index: member_invitations_by_token.
delete from member_invitations where token_hash = $token_hash and expires_at > $now returning organisation_id, role

-- name: remove_invitation :exec (id InvitationId, organisation OrganisationId)
delete from member_invitations where id = $id and organisation_id = $organisation
