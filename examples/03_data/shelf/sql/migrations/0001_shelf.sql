-- dialect: sqlite
create table books (
    id integer primary key autoincrement,
    title text not null,
    author text not null,
    added_at integer not null
);
create unique index books_by_title on books (author, title);
create index books_of_author on books (author, added_at desc, id desc);
create table loans (
    book_id integer primary key references books (id),
    borrower text not null,
    lent_at integer not null
);
-- dialect: postgres
create table books (
    id bigint generated always as identity primary key,
    title text not null,
    author text not null,
    added_at bigint not null
);
create unique index books_by_title on books (author, title);
create index books_of_author on books (author, added_at desc, id desc);
create table loans (
    book_id bigint primary key references books (id),
    borrower text not null,
    lent_at bigint not null
);
