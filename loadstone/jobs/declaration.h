#pragma once
// Declarations: what this program says of its kinds, in loadstone_kinds. The SQL function
// loadstone.enqueue reads them and so enqueues as C++ does (sql/migrations/0004_sql_enqueue.sql,
// docs/guides/jobs_from_other_languages.md).
//
// Old and new versions of a program run side by side. A process writes what differs when it starts:
// the one that started last is right. While it runs, whoever agrees with a row confirms it every
// few minutes, and whoever does not waits until nobody has confirmed it for longer: so two versions
// never take turns, and when the last process of one has gone, the other's word holds within
// `declaration_kept`. A kind that no process has confirmed for `declaration_forgotten` is
// forgotten.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/runtime/context.h"

namespace loadstone::jobs {

class Queue;

inline constexpr std::chrono::minutes declaration_confirmed{5};
inline constexpr std::chrono::minutes declaration_kept{15};
inline constexpr std::chrono::hours declaration_forgotten{7 * 24};

// A member of the arguments, or an element of a list (without a name).
struct DeclaredMember {
    std::string name;
    // "boolean", "integer", "real", "real32", "text", "bytes", "timestamp", "list", "record"; "any"
    // is not looked at (what is nested too deep).
    std::string type;
    bool is_optional = false;
    std::string min, max;                 // of an integer, in decimals
    std::string missing;                  // its JSON where it is not given; of a record none
    std::vector<DeclaredMember> members;  // of a record; the one element of a list
};
BOOST_DESCRIBE_STRUCT(DeclaredMember, (), (name, type, is_optional, min, max, missing, members))

struct DeclaredLimit {
    std::string name, field;
};
BOOST_DESCRIBE_STRUCT(DeclaredLimit, (), (name, field))

// What an enqueue needs to know of a kind. Times in microseconds.
struct KindDeclaration {
    std::string queue;
    int priority = 0;
    int version = 1;
    std::int64_t expires_after = 0;  // 0: never
    std::string tenant;              // a member of the arguments, as all fields; or none
    std::vector<DeclaredLimit> limits;
    bool is_unique = false;
    std::vector<std::string> unique;  // none: all arguments
    std::int64_t unique_for = 0;      // 0: until it has ended
    std::string unique_while;         // "waits", "waits_or_runs"
    std::int64_t bound = 0;           // 0: none
    std::string over_bound;           // "reject", "delay", "merge"
    std::int64_t over_bound_delay = 0;
    DeclaredMember arguments;  // a record
};
BOOST_DESCRIBE_STRUCT(KindDeclaration, (),
                      (queue, priority, version, expires_after, tenant, limits, is_unique, unique,
                       unique_for, unique_while, bound, over_bound, over_bound_delay, arguments))

KindDeclaration declaration_of(const Kind& kind);

// A row to be; the declaration is JSON.
struct NamedDeclaration {
    std::string name, declaration;
};
BOOST_DESCRIBE_STRUCT(NamedDeclaration, (), (name, declaration))

struct StoredDeclaration {
    std::string name, declaration;
    std::int64_t age = 0;  // microseconds since it was last confirmed
};
BOOST_DESCRIBE_STRUCT(StoredDeclaration, (), (name, declaration, age))

// Pure: of `own`, what a process has to write, when it starts or later.
std::vector<NamedDeclaration> to_declare(const std::vector<NamedDeclaration>& own,
                                         const std::vector<StoredDeclaration>& stored,
                                         bool is_start);

// Writes what to_declare() gives, in one transaction; gives how many.
Task<std::size_t> declare_kinds(Context& context, const Queue& queue, bool is_start);

}  // namespace loadstone::jobs
