#include "loadstone/store/sqlite/statement_row.h"

#include "loadstone/store/internal/row_errors.h"

namespace loadstone::store::sqlite {

namespace {

std::string_view type_name(int type) {
    switch (type) {
        case SQLITE_INTEGER: return "integer";
        case SQLITE_FLOAT: return "real";
        case SQLITE_TEXT: return "text";
        case SQLITE_BLOB: return "bytes";
        default: return "null";
    }
}

std::string_view view(const void* data, int size) {
    return data == nullptr ? std::string_view()
                           : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace

int StatementRow::columns() const noexcept { return sqlite3_column_count(prepared_->statement); }

std::string_view StatementRow::name(int column) const noexcept {
    const char* name = sqlite3_column_name(prepared_->statement, column);
    return name == nullptr ? std::string_view() : std::string_view(name);
}

sqlite3_value* StatementRow::value(int column) const noexcept {
    return sqlite3_column_value(prepared_->statement, column);
}

bool StatementRow::is_null(int column) const noexcept {
    return sqlite3_value_type(value(column)) == SQLITE_NULL;
}

sqlite3_value* StatementRow::require(int column, int type, std::string_view asked) const {
    sqlite3_value* const found = value(column);
    const int is = sqlite3_value_type(found);
    if (is != type) internal::throw_wrong_type(*this, column, asked, type_name(is));
    return found;
}

std::size_t StatementRow::size_bytes() const noexcept {
    const int count = sqlite3_column_count(prepared_->statement);
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) {
        sqlite3_value* const found = value(i);
        const int type = sqlite3_value_type(found);
        // Of a number it would make text.
        const bool has_length = type == SQLITE_TEXT || type == SQLITE_BLOB;
        size += has_length ? static_cast<std::size_t>(sqlite3_value_bytes(found)) : 8;
    }
    return size;
}

bool StatementRow::boolean(int column) const {
    const std::int64_t found = integer_as(column, "boolean");
    if (found != 0 && found != 1) internal::throw_wrong_type(*this, column, "boolean", "integer");
    return found == 1;
}

std::int64_t StatementRow::integer(int column) const { return integer_as(column, "integer"); }

std::int64_t StatementRow::integer_as(int column, std::string_view asked) const {
    return sqlite3_value_int64(require(column, SQLITE_INTEGER, asked));
}

double StatementRow::real(int column) const {
    // An expression such as sum(x) or a literal 1 is an integer where PostgreSQL has a real.
    sqlite3_value* const found = value(column);
    if (sqlite3_value_type(found) == SQLITE_INTEGER) return sqlite3_value_double(found);
    return sqlite3_value_double(require(column, SQLITE_FLOAT, "real"));
}

std::string_view StatementRow::text(int column) const {
    sqlite3_value* const found = require(column, SQLITE_TEXT, "text");
    const void* data = sqlite3_value_text(found);
    return view(data, sqlite3_value_bytes(found));
}

std::string_view StatementRow::bytes(int column) const {
    sqlite3_value* const found = require(column, SQLITE_BLOB, "bytes");
    const void* data = sqlite3_value_blob(found);
    return view(data, sqlite3_value_bytes(found));
}

}  // namespace loadstone::store::sqlite
