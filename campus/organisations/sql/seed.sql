-- row: SeededMembership campus/organisations/organisations.h

-- name: seed_organisation :one (name text, admin_count int, now timestamp)
insert into organisations (name, admin_count, created_at) values ($name, $admin_count, $now) returning id

-- name: seed_memberships :exec (members SeededMembership(user_id UserId, organisation_id OrganisationId, role text, joined_at timestamp)[])
insert into memberships (user_id, organisation_id, role, joined_at) {values members}
