#pragma once
// Named statements, as tools/sqlgen makes them from a module's sql/*.sql. Parameters are $1..$n in
// the files, ?1..?n in the SQLite text. The address of a statement is its identity: prepared
// statements are cached by it. Query and Command are different types so that a Reader, which takes
// only a Query, cannot be handed a write.

#include <cstdint>
#include <source_location>
#include <string_view>

#include "loadstone/runtime/freshness.h"

namespace loadstone::store {

struct Query {
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgres;
    int parameters = 0;
};

struct Command {
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgres;
    int parameters = 0;
};

// A statement and the place in the program that runs it: the caller of a function that takes one,
// for it is made there of the statement alone. Who passes a statement on for another passes the
// place: `Call<Query>{statement, place}`.
template <class Statement>
struct Call {
    Call(const Statement& what,  // NOLINT(google-explicit-constructor)
         const std::source_location& where = std::source_location::current(),
         bool small = false) noexcept
        : statement(what), place(where), is_small(small) {}

    const Statement& statement;
    std::source_location place;
    bool is_small = false;
};

// For a statement that gives a thousand rows at most, whatever the tables hold: they come in one
// piece, which costs less, and are decoded in one slice. On PostgreSQL more than 64 MiB end the
// connection.
template <class Statement>
Call<Statement> at_once(const Statement& statement, const std::source_location& place =
                                                        std::source_location::current()) noexcept {
    return {statement, place, true};
}

// What a backend sees of either.
struct StatementRef {
    const void* identity;
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgres;
    int parameters;
    bool writes;
    std::source_location place{};                    // line 0: unknown
    runtime::Freshness freshness = runtime::latest;  // of a read
    bool is_small = false;                           // at_once()

    StatementRef(const Query& q)  // NOLINT(google-explicit-constructor)
        : identity(&q),
          name(q.name),
          sqlite(q.sqlite),
          postgres(q.postgres),
          parameters(q.parameters),
          writes(false) {}
    StatementRef(const Command& c)  // NOLINT(google-explicit-constructor)
        : identity(&c),
          name(c.name),
          sqlite(c.sqlite),
          postgres(c.postgres),
          parameters(c.parameters),
          writes(true) {}
    template <class Statement>
    StatementRef(const Call<Statement>& call)  // NOLINT(google-explicit-constructor)
        : StatementRef(call.statement) {
        place = call.place;
        is_small = call.is_small;
    }

    // Of the statement at its place; 0 if the place is unknown.
    std::uint64_t key_of_place() const noexcept {
        if (place.line() == 0) return 0;
        auto key = reinterpret_cast<std::uintptr_t>(identity) * 0x9E37'79B9'7F4A'7C15U;
        key ^= reinterpret_cast<std::uintptr_t>(place.file_name());
        key *= 0x9E37'79B9'7F4A'7C15U;
        return (key ^ ((std::uint64_t{place.line()} << 20U) | place.column())) | 1U;
    }
};

// One step of a module's schema. Forward only, never edited once released.
struct Migration {
    int number = 0;  // 1..n without a gap within the module
    std::string_view title;
    std::string_view sqlite;  // may hold several statements
    std::string_view postgres;
};

}  // namespace loadstone::store
