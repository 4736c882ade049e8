#include "loadstone/analytics/columns.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "loadstone/base/error.h"
#include "loadstone/base/sha256.h"

namespace loadstone::analytics {

namespace {

constexpr std::size_t name_bytes_max = 63;

std::optional<ColumnType> type_of(TypeKind kind) {
    switch (kind) {
        case TypeKind::boolean: return ColumnType::boolean;
        case TypeKind::integer: return ColumnType::integer;
        case TypeKind::real: return ColumnType::real;
        case TypeKind::text: return ColumnType::text;
        case TypeKind::timestamp: return ColumnType::timestamp;
        case TypeKind::bytes:
        case TypeKind::optional:
        case TypeKind::list:
        case TypeKind::record: return std::nullopt;
    }
    return std::nullopt;
}

std::int64_t id_of(const Schema& schema) {
    const std::string hash = sha256_hex({schema.fact, " ", to_text(schema.columns)});
    std::int64_t id = 0;
    std::from_chars(hash.data(), hash.data() + 15, id, 16);
    return id | 1;  // 60 bits, not 0
}

}  // namespace

bool is_name(std::string_view name) {
    const auto is_of_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && name.size() <= name_bytes_max && name[0] >= 'a' && name[0] <= 'z' &&
           std::ranges::all_of(name, is_of_name);
}

Schema schema_of(std::string fact, const TypeInfo& record) {
    Schema schema;
    schema.fact = std::move(fact);
    if (!is_name(schema.fact))
        throw Error(Errc::invalid_argument,
                    fmt::format("fact \"{}\": a name is made of a-z, 0-9 and _", schema.fact));
    for (const FieldInfo& field : record.fields) {
        const TypeInfo* type = &field.type();
        Column column;
        column.name = field.name;
        column.is_nullable = type->kind == TypeKind::optional;
        if (column.is_nullable) type = &type->element();
        const auto of_kind = type_of(type->kind);
        if (!of_kind || !is_name(column.name))
            throw Error(Errc::invalid_argument,
                        fmt::format("fact {}: member {} of type {} cannot be a column", schema.fact,
                                    field.name, type->name));
        column.type = *of_kind;
        schema.columns.push_back(std::move(column));
    }
    if (schema.columns.empty())
        throw Error(Errc::invalid_argument, fmt::format("fact {} has no members", schema.fact));
    schema.id = id_of(schema);
    return schema;
}

std::string to_text(const std::vector<Column>& columns) {
    std::string text;
    for (const Column& column : columns) {
        if (!text.empty()) text += ' ';
        text += fmt::format("{}:{}{}", column.name, static_cast<char>(column.type),
                            column.is_nullable ? "?" : "");
    }
    return text;
}

Schema schema_from(std::string fact, std::string_view columns) {
    Schema schema;
    schema.fact = std::move(fact);
    const std::string whole(columns);
    bool is_good = is_name(schema.fact) && !columns.empty();
    while (is_good && !columns.empty()) {
        const std::string_view one = columns.substr(0, columns.find(' '));
        columns.remove_prefix(std::min(columns.size(), one.size() + 1));
        const auto colon = one.find(':');
        is_good = colon != std::string_view::npos && is_name(one.substr(0, colon));
        if (!is_good) break;
        const std::string_view type = one.substr(colon + 1);
        is_good = (type.size() == 1 || (type.size() == 2 && type[1] == '?')) &&
                  std::string_view("birtm").find(type[0]) != std::string_view::npos;
        if (!is_good) break;
        Column& column = schema.columns.emplace_back();
        column.name = one.substr(0, colon);
        column.type = static_cast<ColumnType>(type[0]);
        column.is_nullable = type.size() == 2;
    }
    if (!is_good)
        throw Error(Errc::data_loss, fmt::format("fact \"{}\" with columns \"{}\" is no schema",
                                                 schema.fact, whole));
    schema.id = id_of(schema);
    return schema;
}

}  // namespace loadstone::analytics
