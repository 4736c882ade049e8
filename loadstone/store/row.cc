#include "loadstone/store/row.h"

#include <fmt/core.h>

#include <cstring>
#include <string>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/row_errors.h"

namespace loadstone::store {

namespace {

bool fits_a_column(const TypeInfo& type) {
    if (type.kind == TypeKind::optional) {
        const TypeInfo& element = type.element();
        return element.kind != TypeKind::optional && fits_a_column(element);
    }
    return type.kind != TypeKind::list && type.kind != TypeKind::record;
}

// Out of line and once per prepared statement and type.
void verify_columns(const Row& row, const TypeInfo& type) {
    const int columns = row.columns();
    if (static_cast<std::size_t>(columns) != type.fields.size()) {
        throw Error(Errc::data_loss,
                    fmt::format("{}: {} columns where {} has {} members", row.statement(), columns,
                                type.name, type.fields.size()));
    }
    for (int i = 0; i < columns; ++i) {
        const FieldInfo& field = type.fields[static_cast<std::size_t>(i)];
        if (row.name(i) != field.name) {
            throw Error(Errc::data_loss,
                        fmt::format("{}: column {} is '{}' where {} has '{}'", row.statement(),
                                    i + 1, row.name(i), type.name, field.name));
        }
        if (!fits_a_column(field.type())) {
            throw Error(Errc::data_loss,
                        fmt::format("{}: column '{}' cannot hold the {} that {} has there",
                                    row.statement(), field.name, field.type().name, type.name));
        }
    }
}

void decode_value(const Row& row, int column, const TypeInfo& type, void* object) {
    if (type.kind == TypeKind::optional) {
        if (row.is_null(column)) {
            type.reset(object);
            return;
        }
        decode_value(row, column, type.element(), type.emplace(object));
        return;
    }
    if (row.is_null(column)) {
        throw Error(Errc::data_loss, fmt::format("{}: column '{}' is null where a {} is expected",
                                                 row.statement(), row.name(column), type.name));
    }
    switch (type.kind) {
        case TypeKind::boolean: *static_cast<bool*>(object) = row.boolean(column); return;
        case TypeKind::integer: {
            const std::int64_t value = row.integer(column);
            if (!set_integer(type, object, value)) {
                throw Error(Errc::data_loss,
                            fmt::format("{}: column '{}' holds {}, which does not fit the {} {} "
                                        "bytes of its member",
                                        row.statement(), row.name(column), value,
                                        type.is_signed ? "signed" : "unsigned", type.size));
            }
            return;
        }
        case TypeKind::real: set_real(type, object, row.real(column)); return;
        case TypeKind::text: static_cast<std::string*>(object)->assign(row.text(column)); return;
        case TypeKind::bytes: {
            const std::string_view bytes = row.bytes(column);
            auto& out = *static_cast<std::vector<std::byte>*>(object);
            out.resize(bytes.size());
            if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
            return;
        }
        case TypeKind::timestamp:
            static_cast<Timestamp*>(object)->micros = row.integer(column);
            return;
        case TypeKind::optional:
        case TypeKind::list:
        case TypeKind::record: break;
    }
    throw Error(Errc::data_loss, fmt::format("{}: column '{}' cannot hold a {}", row.statement(),
                                             row.name(column), type.name));
}

}  // namespace

void decode_row(const Row& row, const TypeInfo& type, void* object) {
    if (!row.verified().contains(type)) {
        verify_columns(row, type);
        row.verified().add(type);
    }
    int column = 0;
    for (const FieldInfo& field : type.fields) {
        decode_value(row, column, field.type(), field.address(object));
        ++column;
    }
}

namespace internal {

void decode_scalar(const Row& row, const TypeInfo& type, void* object) {
    if (row.columns() != 1) {
        throw Error(Errc::data_loss, fmt::format("{}: {} columns where one {} is expected",
                                                 row.statement(), row.columns(), type.name));
    }
    decode_value(row, 0, type, object);
}

void throw_wrong_type(const Row& row, int column, std::string_view asked, std::string_view found) {
    throw Error(Errc::data_loss, fmt::format("{}: column '{}' holds {} where {} is expected",
                                             row.statement(), row.name(column), found, asked));
}

}  // namespace internal

}  // namespace loadstone::store
