#pragma once
// ResultRow: a row of a libpq result in binary format.

#include <libpq-fe.h>

#include "loadstone/store/row.h"

namespace loadstone::store::postgres {

class ResultRow final : public Row {
public:
    ResultRow(const PGresult* result, int row, std::string_view statement,
              internal::VerifiedTypes& verified) noexcept
        : result_(result), row_(row), statement_(statement), verified_(&verified) {}

    int columns() const noexcept override { return PQnfields(result_); }
    std::string_view name(int column) const noexcept override;
    bool is_null(int column) const noexcept override;
    bool boolean(int column) const override;
    // A numeric without a fraction too: sum(bigint) is one.
    std::int64_t integer(int column) const override;
    double real(int column) const override;
    std::string_view text(int column) const override;
    std::string_view bytes(int column) const override;
    std::size_t size_bytes() const noexcept override;
    std::string_view statement() const noexcept override { return statement_; }
    internal::VerifiedTypes& verified() const noexcept override { return *verified_; }

private:
    std::string_view raw(int column) const noexcept;
    [[noreturn]] void wrong_type(int column, std::string_view asked) const;

    const PGresult* result_;
    int row_;
    std::string_view statement_;
    internal::VerifiedTypes* verified_;
};

}  // namespace loadstone::store::postgres
