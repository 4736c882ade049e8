#pragma once
// Named statements, as tools/sqlgen makes them from a module's sql/*.sql. Parameters are $1..$n in
// the files, ?1..?n in the SQLite text. The address of a statement is its identity: prepared
// statements are cached by it. Query and Command are different types so that a Reader, which takes
// only a Query, cannot be handed a write.

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

// What a backend sees of either.
struct StatementRef {
    const void* identity;
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgres;
    int parameters;
    bool writes;
    runtime::Freshness freshness = runtime::latest;  // of a read

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
};

// One step of a module's schema. Forward only, never edited once released.
struct Migration {
    int number = 0;  // 1..n without a gap within the module
    std::string_view title;
    std::string_view sqlite;  // may hold several statements
    std::string_view postgres;
};

}  // namespace loadstone::store
