#pragma once
// StatementRow: the current row of a running statement.

#include <string_view>

#include "loadstone/store/row.h"
#include "loadstone/store/sqlite/handle.h"

namespace loadstone::store::sqlite {

class StatementRow final : public Row {
public:
    StatementRow(std::string_view name, Prepared& prepared) : name_(name), prepared_(&prepared) {}

    int columns() const noexcept override;
    std::string_view name(int column) const noexcept override;
    bool is_null(int column) const noexcept override;
    bool boolean(int column) const override;
    std::int64_t integer(int column) const override;
    double real(int column) const override;
    std::string_view text(int column) const override;
    std::string_view bytes(int column) const override;
    std::size_t size_bytes() const noexcept override;
    std::string_view statement() const noexcept override { return name_; }
    internal::VerifiedTypes& verified() const noexcept override { return prepared_->verified; }

private:
    // Asked once for each use: a look-up of a column costs more than what is asked of its value.
    // One thread at a time has the connection, as SQLite wants of whoever reads such values.
    sqlite3_value* value(int column) const noexcept;
    sqlite3_value* require(int column, int type, std::string_view asked) const;
    std::int64_t integer_as(int column, std::string_view asked) const;

    std::string_view name_;
    Prepared* prepared_;
};

}  // namespace loadstone::store::sqlite
