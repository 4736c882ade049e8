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

bool StatementRow::is_null(int column) const noexcept {
    return sqlite3_column_type(prepared_->statement, column) == SQLITE_NULL;
}

void StatementRow::require_type(int column, int type, std::string_view asked) const {
    const int found = sqlite3_column_type(prepared_->statement, column);
    if (found != type) internal::throw_wrong_type(*this, column, asked, type_name(found));
}

std::size_t StatementRow::size_bytes() const noexcept {
    sqlite3_stmt* const statement = prepared_->statement;
    const int columns = sqlite3_column_count(statement);
    std::size_t size = 0;
    for (int i = 0; i < columns; ++i) {
        const int type = sqlite3_column_type(statement, i);
        // Of a number it would make text.
        const bool has_length = type == SQLITE_TEXT || type == SQLITE_BLOB;
        size += has_length ? static_cast<std::size_t>(sqlite3_column_bytes(statement, i)) : 8;
    }
    return size;
}

bool StatementRow::boolean(int column) const {
    require_type(column, SQLITE_INTEGER, "boolean");
    const std::int64_t value = sqlite3_column_int64(prepared_->statement, column);
    if (value != 0 && value != 1) internal::throw_wrong_type(*this, column, "boolean", "integer");
    return value == 1;
}

std::int64_t StatementRow::integer(int column) const {
    require_type(column, SQLITE_INTEGER, "integer");
    return sqlite3_column_int64(prepared_->statement, column);
}

double StatementRow::real(int column) const {
    // An expression such as sum(x) or a literal 1 is an integer where PostgreSQL has a real.
    if (sqlite3_column_type(prepared_->statement, column) != SQLITE_INTEGER) {
        require_type(column, SQLITE_FLOAT, "real");
    }
    return sqlite3_column_double(prepared_->statement, column);
}

std::string_view StatementRow::text(int column) const {
    require_type(column, SQLITE_TEXT, "text");
    const void* data = sqlite3_column_text(prepared_->statement, column);
    return view(data, sqlite3_column_bytes(prepared_->statement, column));
}

std::string_view StatementRow::bytes(int column) const {
    require_type(column, SQLITE_BLOB, "bytes");
    const void* data = sqlite3_column_blob(prepared_->statement, column);
    return view(data, sqlite3_column_bytes(prepared_->statement, column));
}

}  // namespace loadstone::store::sqlite
