-- id: NoteId tests::conformance::typed::NoteTag
-- type: NoteId typed_notes.id typed_tags.note
-- type: timestamp typed_notes.noted_at

-- name: add_notes :exec (notes (topic text, rank int, body text?, score real?, is_done bool, noted_at timestamp)[])
insert into typed_notes (topic, rank, body, score, is_done, noted_at) {values notes}

-- name: add_note :one (topic text, rank int, body text?, raw bytes?)
insert into typed_notes (topic, rank, body, is_done, noted_at, raw) values ($topic, $rank, $body, false, 0, $raw) returning id

-- name: add_tags :exec (tags (note NoteId, tag text)[])
insert into typed_tags (note, tag) {values tags}
on conflict (note, tag) do nothing

-- name: note :maybe (id NoteId) -> Note
select id, topic, rank, body, score, is_done, noted_at from typed_notes where id = $id

-- name: raw :one (id NoteId)
select raw from typed_notes where id = $id

-- name: set_body :exec (id NoteId, body text?)
update typed_notes set body = $body where id = $id

-- name: notes_among :many (ids NoteId[]) -> Note
select id, topic, rank, body, score, is_done, noted_at from typed_notes where id {in ids} order by id

-- name: notes_beside :many (ids NoteId[])
select id from typed_notes where id {not in ids} order by id

-- name: notes_about :many (topics text[], scores real[], done bool[])
select id from typed_notes where topic {in topics} and score {in scores} and is_done {in done} order by id

-- name: each_note :stream (topic text) -> Note
select id, topic, rank, body, score, is_done, noted_at from typed_notes where topic = $topic order by id

-- name: note_count :one ()
select count(*) from typed_notes

-- name: tagged :many ()
-- Every note, with its tags if it has any.
select n.id, t.tag from typed_notes as n left join typed_tags as t on t.note = n.id order by n.id, t.tag

-- name: by_rank :page (rank desc, id) (topic text)
select id, rank from typed_notes where topic = $topic

-- name: newest :page (rank desc, id desc) (topic text)
select id, rank from typed_notes where topic = $topic

-- name: by_three :page (is_done, rank desc, id) () -> Note
select id, topic, rank, body, score, is_done, noted_at from typed_notes
