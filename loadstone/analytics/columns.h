#pragma once
// What a fact is made of, as data. A fact is a described struct of bool, integers, double, text,
// Timestamp, Id, or std::optional of these; its members are the columns of its table.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/type_info.h"

namespace loadstone::analytics {

enum class ColumnType : char {
    boolean = 'b',
    integer = 'i',    // 64 bits
    real = 'r',       // 64 bits
    text = 't',       // UTF-8
    timestamp = 'm',  // microseconds since 1970, UTC
};

// [a-z][a-z0-9_]*, 63 bytes at most: of tables and columns.
bool is_name(std::string_view name);

struct Column {
    std::string name;
    ColumnType type = ColumnType::integer;
    bool is_nullable = false;

    bool operator==(const Column&) const = default;
};

// One form of a fact: rolling upgrades write several at once. `id` is a hash of the rest, so that
// every process gives a form the same one and nobody has to ask the database for it.
struct Schema {
    std::string fact;  // its table: "learning_activity"
    std::vector<Column> columns;
    std::int64_t id = 0;  // > 0
};

// Errors: invalid_argument for a member of another type, or a name that is not [a-z][a-z0-9_]*.
Schema schema_of(std::string fact, const TypeInfo& record);

// "user:i course:i at:m points:i?", and back. Errors: data_loss.
std::string to_text(const std::vector<Column>& columns);
Schema schema_from(std::string fact, std::string_view columns);

}  // namespace loadstone::analytics
