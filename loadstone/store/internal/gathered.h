#pragma once
// Gathered: counts the rows that a statement gives to be kept in memory, against the budget of the
// module on whose behalf it runs.

#include "loadstone/store/row.h"
#include "loadstone/store/statement_budgets.h"

namespace loadstone::store::internal {

class Gathered {
public:
    Gathered(const Context& context, std::string_view statement) noexcept
        : context_(&context), statement_(statement) {}

    // Before the row is kept. Throws OverBudget, which ends the statement.
    void add(const Row& row) {
        ++rows_;
        bytes_ += row.size_bytes();
        if (rows_ > StatementBudgets::rows_unasked || bytes_ > StatementBudgets::bytes_unasked)
            check();
    }

private:
    void check();

    const Context* context_;
    std::string_view statement_;
    std::uint64_t rows_ = 0;
    std::uint64_t bytes_ = 0;
    const StatementBudgets::OfModule* budget_ = nullptr;  // null: not looked up yet
};

}  // namespace loadstone::store::internal
