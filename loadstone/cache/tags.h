#pragma once
// Tags: what was read and what is written, as numbers that meet. Of a table T and a column c:
//
//   any(T)        a write of T
//   wide(T, c)    a write of T that may touch rows with any value in c
//   at(T, c, v)   a write of T of rows with v in c, before and after it
//
// A write makes any(T), and for each watched column at(T, c, v) if its statement binds c, else
// wide(T, c). A read of the whole table depends on any(T), one of the rows with v in a watched
// column on at(T, c, v) and wide(T, c). So each write that can change what was read makes a tag
// that the read depends on (docs/internals/cache.md). Tags are 64 bits of a hash: two that collide
// cost a computation.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/store/accesses.h"
#include "loadstone/store/statement.h"
#include "loadstone/store/value.h"

namespace loadstone::cache {

using Tag = std::uint64_t;
using Tags = std::vector<Tag>;

// In a list of what was written: more was written than is listed.
inline constexpr Tag everything = 0;

// As rows keep them: decimal, one space between two. What is no number is `everything`, and the
// last.
std::string text_of(const Tags& tags);
Tags tags_from(std::string_view text);

// A table that views read, by one of its columns; without a column as a whole.
struct Watch {
    std::string table;
    std::string column{};
};

class TagRules {
public:
    // `accesses` of all modules of whose tables one is watched: of all their statements.
    TagRules(std::span<const store::Access> accesses, std::span<const Watch> watched);

    // Adds what a write makes: nothing if no watched table is among what it writes. A statement
    // that is not described makes `everything` if its module has described others.
    void add_written(const store::StatementRef& statement, std::span<const store::Value> values,
                     Tags& tags) const;
    // Adds what a read depends on. Errc::internal if the statement is not described, or reads a
    // table that is not watched.
    void add_read(const store::StatementRef& statement, std::span<const store::Value> values,
                  Tags& tags) const;
    bool watches_nothing() const noexcept { return watched_.empty(); }

private:
    struct Column {
        std::string_view name;
        int parameter = 0;
        bool is_array = false;
    };
    struct Table {
        std::string_view name;
        bool writes = false;
        std::vector<Column> columns;
    };

    std::vector<std::string> const* columns_of(std::string_view table) const;

    std::unordered_map<std::string_view, std::vector<Table>> statements_;
    std::unordered_map<std::string, std::vector<std::string>> watched_;  // table to its columns
    std::unordered_map<std::string_view, bool> modules_;                 // that are described
};

}  // namespace loadstone::cache
