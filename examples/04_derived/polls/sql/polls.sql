-- id: PollId polls::PollTag
-- type: PollId polls.id votes.poll_id

-- name: insert_poll :one (question text)
insert into polls (question) values ($question) returning id

-- name: insert_vote :exec (poll PollId, voter text, choice text)
-- None if the voter has voted. Primary key.
insert into votes (poll_id, voter, choice) values ($poll, $voter, $choice) on conflict (poll_id, voter) do nothing

-- name: choices_of_poll :many (poll PollId) -> Choice
-- Primary key: reads each vote of the poll.
select choice, count(*) as votes from votes where poll_id = $poll group by choice order by votes desc, choice

-- name: newest_polls :many ()
select id, question from polls order by id desc limit 20

-- name: votes_by_poll :many (first PollId, last PollId, keys_max int)
-- column: key int
-- In the order of polls. Primary key.
select poll_id as key, count(*) as value from votes where poll_id >= $first and poll_id <= $last
group by poll_id order by poll_id limit $keys_max
