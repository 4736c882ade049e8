#include "shelf/shelf.h"

#include <fmt/core.h>

#include <sstream>

#include "loadstone/base/error.h"
#include "shelf/sql.h"

namespace shelf {

using namespace loadstone;

// Rows that go out as JSON are described where that is done.
namespace sql {
BOOST_DESCRIBE_STRUCT(Book, (), (id, title, author, added_at))
BOOST_DESCRIBE_STRUCT(ShelfRow, (), (id, title, borrower))
BOOST_DESCRIBE_STRUCT(TotalsRow, (), (books, authors, last))
}  // namespace sql

struct NewBook {
    std::string title, author;
};
BOOST_DESCRIBE_STRUCT(NewBook, (), (title, author))

struct Added {
    BookId id;
};
BOOST_DESCRIBE_STRUCT(Added, (), (id))

struct Books {
    std::vector<sql::Book> books;
    std::optional<BookId> next_after;
};
BOOST_DESCRIBE_STRUCT(Books, (), (books, next_after))

struct Import {
    std::vector<std::string> titles;
    std::string author;
};
BOOST_DESCRIBE_STRUCT(Import, (), (titles, author))

struct Imported {
    std::uint64_t books = 0;
};
BOOST_DESCRIBE_STRUCT(Imported, (), (books))

struct Loan {
    BookId book;
    std::string borrower;
};
BOOST_DESCRIBE_STRUCT(Loan, (), (book, borrower))

struct Shelf {
    std::vector<sql::ShelfRow> books;
};
BOOST_DESCRIBE_STRUCT(Shelf, (), (books))

struct PageOfBooks {
    std::string author;
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfBooks, (), (author, after, limit))

// ---- writes ----

Task<BookId> add_book(Tx& tx, NewBook book) {
    const Timestamp now = Timestamp::now();
    co_return co_await sql::add_book(tx, book.title, book.author, now);
}

Task<std::uint64_t> import_books(Tx& tx, Import in) {
    std::vector<sql::ImportBooksBooks> books;
    for (const std::string& title : in.titles) {
        sql::ImportBooksBooks& book = books.emplace_back();
        book.title = title;
        book.author = in.author;
        book.added_at = Timestamp::now();
    }
    co_return co_await sql::import_books(tx, books);  // how many were new
}

Task<void> lend(Tx& tx, Loan loan) {
    const auto book = co_await sql::book_by_id(tx, loan.book);  // what this transaction sees
    if (!book) throw Error(Errc::not_found, fmt::format("there is no book {}", loan.book.value));
    const Timestamp now = Timestamp::now();
    co_await sql::lend(tx, loan.book, loan.borrower, now);
}

// ---- requests ----

Task<Reply<Added, 201>> post_book(Context& context, Body<NewBook> book) {
    Reply<Added, 201> reply;
    reply.body.id = co_await context.write(add_book, *book);
    co_return reply;
}

Task<Reply<Imported>> post_import(Context& context, Body<Import> in) {
    Reply<Imported> reply;
    reply.body.books = co_await context.write(import_books, *in);
    co_return reply;
}

Task<Response> post_loan(Context& context, Body<Loan> loan) {
    co_await context.write(lend, *loan);
    co_return net::no_content();
}

Task<Reply<Books>> show_books(Context& context, Parameters<PageOfBooks> page) {
    Reader reader = context.reader();
    std::optional<sql::BooksOfCursor> after;
    if (page->after) {
        const auto last = co_await sql::book_by_id(reader, BookId(*page->after));
        if (!last) throw Error(Errc::invalid_argument, "is no book").with_field("after");
        after.emplace().added_at = last->added_at;
        after->id = last->id;
    }
    auto found = co_await sql::books_of(reader, page->author, page->limit.value_or(50), after);
    Reply<Books> reply;
    reply.body.books = std::move(found.rows);
    if (found.next) reply.body.next_after = found.next->id;
    co_return reply;
}

Task<Reply<Books>> show_among(Context& context, Path<std::string> listed) {
    std::vector<BookId> ids;
    std::istringstream in(listed.value);
    for (std::int64_t id = 0; in >> id; in.ignore()) ids.emplace_back(id);
    Reply<Books> reply;
    reply.body.books = co_await sql::books_among(context.reader(), ids);
    co_return reply;
}

Task<Reply<Shelf>> show_shelf(Context& context) {
    Reply<Shelf> reply;
    reply.body.books = co_await sql::shelf(context.reader());
    co_return reply;
}

Task<Reply<sql::TotalsRow>> show_totals(Context& context) {
    Reply<sql::TotalsRow> reply;
    reply.body = co_await sql::totals(context.reader());
    co_return reply;
}

struct Initials {
    std::string letters;
};
BOOST_DESCRIBE_STRUCT(Initials, (), (letters))

Task<Reply<Initials>> show_initials(Context& context) {
    Reply<Initials> reply;
    auto take = [&](const std::string& title) { reply.body.letters += title.substr(0, 1); };
    co_await sql::each_title(context.reader(), take);
    co_return reply;
}

void routes(Routes& routes) {
    routes.post("/books", post_book).open_to_all();
    routes.post("/imports", post_import).open_to_all();
    routes.post("/loans", post_loan).open_to_all().may_answer(404).may_answer(409);
    routes.get("/books", show_books).open_to_all();
    routes.get("/books/{ids}", show_among).open_to_all();
    routes.get("/shelf", show_shelf).open_to_all();
    routes.get("/totals", show_totals).open_to_all();
    routes.get("/initials", show_initials).open_to_all();
}

Module module() { return {.name = "shelf", .migrations = sql::migrations, .routes = routes}; }

}  // namespace shelf
