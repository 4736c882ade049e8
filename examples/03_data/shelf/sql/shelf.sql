-- id: BookId shelf::BookTag
-- type: BookId books.id loans.book_id
-- type: timestamp books.added_at loans.lent_at

-- name: add_book :one (title text, author text, now timestamp)
-- Index: books_by_title keeps a title unique.
insert into books (title, author, added_at) values ($title, $author, $now) returning id

-- name: book_by_id :maybe (id BookId) -> Book
select id, title, author, added_at from books where id = $id

-- name: books_of :page (added_at desc, id desc) (author text) -> Book
-- Index: books_of_author.
select id, title, author, added_at from books where author = $author

-- name: books_among :many (ids BookId[]) -> Book
select id, title, author, added_at from books where id {in ids} order by id

-- name: import_books :exec (books (title text, author text, added_at timestamp)[])
insert into books (title, author, added_at) {values books}
on conflict (author, title) do nothing

-- name: lend :exec (book BookId, borrower text, now timestamp)
-- Index: the primary key, so a book is lent once at a time.
insert into loans (book_id, borrower, lent_at) values ($book, $borrower, $now)

-- name: shelf :many ()
-- Every book; borrower: who has it.
select b.id, b.title, l.borrower from books as b left join loans as l on l.book_id = b.id order by b.id

-- name: each_title :stream ()
select title from books order by id

-- name: totals :one ()
-- column: last timestamp?
select count(*) as books, count(distinct author) as authors, max(added_at) as last from books
