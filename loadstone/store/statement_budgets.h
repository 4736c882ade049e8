#pragma once
// StatementBudgets: what one statement may use at most, by the module on whose behalf it runs: the
// rows and bytes that it gathers in memory, and its time. A statement beyond is stopped in the
// database, and its error names statement, module, budget and value. A service of every server;
// where it is missing the defaults hold, uncounted.
//
// Nothing is looked up before a statement has gathered `rows_unasked` rows or `bytes_unasked`
// bytes, or has run for some milliseconds: what is quick and small pays an addition.

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "loadstone/base/error.h"
#include "loadstone/runtime/context.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store {

struct StatementBudget {
    // Gathered by many() and kept in memory; each() streams, and has no number of rows.
    std::uint64_t rows_max = 10'000;
    // Of the values of the rows that one(), maybe() and many() keep, as the database sends them.
    std::uint64_t bytes_max = 32U << 20U;
    // From when it is sent (SQLite: begun) to its end, of each() too; the deadline if it is sooner.
    std::chrono::milliseconds time_max{30'000};
};

// `internal` for rows and bytes, for no second try of the same helps; `deadline_exceeded` for time.
class OverBudget : public Error {
public:
    using Error::Error;
};

class StatementBudgets {
public:
    // No budget is below these.
    static constexpr std::uint64_t rows_unasked = 64;
    static constexpr std::uint64_t bytes_unasked = 64U << 10U;

    struct OfModule {
        std::string module;
        StatementBudget budget;
        // Null: not counted.
        telemetry::Counter* over_rows = nullptr;
        telemetry::Counter* over_bytes = nullptr;
        telemetry::Counter* over_time = nullptr;
    };

    // `others`: of modules that have none of their own, and of the framework.
    StatementBudgets(const StatementBudget& others, telemetry::Registry& registry);
    StatementBudgets(const StatementBudgets&) = delete;
    StatementBudgets& operator=(const StatementBudgets&) = delete;

    // Before any statement runs. Error invalid_argument for a budget that is below the least.
    void set(std::string module, const StatementBudget& budget);

    static const OfModule& of(const Context& context) noexcept;
    // Both count. The first throws.
    [[noreturn]] static void throw_over_time(const Context& context, std::string_view statement);
    static OverBudget over_time(const Context& context, std::string_view statement);

private:
    OfModule counted(std::string module, const StatementBudget& budget);

    telemetry::Registry& registry_;
    OfModule others_;
    std::deque<OfModule> modules_;
};

}  // namespace loadstone::store
