#include "loadstone/analytics/internal/row_bytes.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics::internal {

namespace {

void append_value(WireWriter& to, const TypeInfo& type, const void* object) {
    switch (type.kind) {
        case TypeKind::boolean: to.byte(*static_cast<const bool*>(object) ? 1 : 0); break;
        case TypeKind::integer: to.integer(get_integer(type, object)); break;
        case TypeKind::real: to.real(get_real(type, object)); break;
        case TypeKind::text: to.text(*static_cast<const std::string*>(object)); break;
        case TypeKind::timestamp: to.integer(static_cast<const Timestamp*>(object)->micros); break;
        case TypeKind::bytes:
        case TypeKind::optional:
        case TypeKind::list:
        case TypeKind::record: break;  // schema_of() has refused it
    }
}

void set_value(const Cell& cell, const Column& column, const TypeInfo& type, void* object) {
    bool fits = true;
    if (type.kind == TypeKind::integer && column.type == ColumnType::integer)
        fits = set_integer(type, object, cell.integer);
    else if (type.kind == TypeKind::real && column.type == ColumnType::real)
        set_real(type, object, cell.real);
    else if (type.kind == TypeKind::boolean && column.type == ColumnType::boolean)
        *static_cast<bool*>(object) = cell.integer != 0;
    else if (type.kind == TypeKind::text && column.type == ColumnType::text)
        *static_cast<std::string*>(object) = cell.text;
    else if (type.kind == TypeKind::timestamp &&
             (column.type == ColumnType::timestamp || column.type == ColumnType::integer))
        static_cast<Timestamp*>(object)->micros = cell.integer;
    else
        fits = false;
    if (!fits)
        throw Error(Errc::data_loss,
                    fmt::format("column {} of type '{}' does not fit into {}", column.name,
                                static_cast<char>(column.type), type.name));
}

}  // namespace

std::string row_bytes(const TypeInfo& record, const void* object) {
    std::string bytes;
    bytes.reserve(16 + 8 * record.fields.size());  // numbers and short texts: one allocation
    WireWriter to(bytes);
    for (const FieldInfo& field : record.fields) {
        // Addresses are given for writing, too; nothing is written here.
        const void* value = field.address(const_cast<void*>(object));
        const TypeInfo& type = field.type();
        if (type.kind != TypeKind::optional) {
            append_value(to, type, value);
            continue;
        }
        const bool has_value = type.has_value(value);
        to.byte(has_value ? 1 : 0);
        if (has_value) append_value(to, type.element(), type.at(value, 0));
    }
    return bytes;
}

Cell read_cell(WireReader& from, const Column& column) {
    Cell cell;
    cell.is_null = column.is_nullable && from.byte() == 0;
    if (cell.is_null) return cell;
    switch (column.type) {
        case ColumnType::boolean: cell.integer = from.byte(); break;
        case ColumnType::integer:
        case ColumnType::timestamp: cell.integer = from.integer(); break;
        case ColumnType::real: cell.real = from.real(); break;
        case ColumnType::text: cell.text = from.text(); break;
    }
    return cell;
}

void read_row(WireReader& from, const std::vector<Column>& columns, const TypeInfo& record,
              void* object) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const Cell cell = read_cell(from, columns[i]);
        const FieldInfo& field = record.fields[i];
        const TypeInfo& type = field.type();
        void* at = field.address(object);
        if (type.kind == TypeKind::optional) {
            if (cell.is_null)
                type.reset(at);
            else
                set_value(cell, columns[i], type.element(), type.emplace(at));
            continue;
        }
        if (cell.is_null)
            throw Error(Errc::data_loss, fmt::format("column {} is null", columns[i].name));
        set_value(cell, columns[i], type, at);
    }
}

}  // namespace loadstone::analytics::internal
