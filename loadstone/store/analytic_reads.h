#pragma once
// AnalyticReads: statements that are for the column store (loadstone/analytics) and ran on the
// transactional database: they add up many rows. Counted each time, kept by statement, and told of
// in the log once in `analytic_log_every`.
//
// Only what a route or job of the application runs: a command of an operator, the loops of the
// framework and its jobs ("loadstone.*") may take their time. Who calls leaves out what ran on a
// replica.
//
// Thread safety: all from any thread.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/timestamp.h"
#include "loadstone/store/statement_statistics.h"

namespace loadstone::store {

// Whether a statement adds up rows: an aggregate function, `group by`, `distinct` or a window,
// outside of strings and comments. min() and max() of several arguments are none: on SQLite these
// take the smallest of a row.
bool adds_up(std::string_view sql) noexcept;

// One run of a statement that adds up rows.
struct AnalyticRun {
    std::string_view statement, activity;
    std::string place;  // "FILE:LINE", empty if unknown
    // Read from tables and indexes; `is_estimate`: about, by the virtual machine's steps or the
    // planner.
    std::uint64_t read = 0;
    bool is_estimate = false;
    std::uint64_t rows = 0;  // given back
    std::uint64_t us = 0;
    std::uint64_t cpu_us = 0;  // 0: not known
};

// What is kept of a statement: how often it was seen, and the run that read most.
struct AnalyticRead {
    std::string statement, activity, place;
    std::uint64_t times = 0;
    Timestamp at;  // of the last one
    std::uint64_t read = 0, rows = 0, us = 0, cpu_us = 0;
    bool is_estimate = false;
    bool is_of_view = false;  // a view's computation runs it, and the answer is kept
};

class AnalyticReads {
public:
    static constexpr std::size_t statements_max = 256;
    // VM steps of SQLite for a row that is added up, where it is not said how many there were: 4
    // for a count along an index, 25 for groups that are sorted first. So the one is told of from
    // three times as many rows on, the other from half as many.
    static constexpr std::uint64_t steps_a_row = 12;

    AnalyticReads(const StatisticsOptions& options, telemetry::Registry& registry);

    bool is_on() const noexcept { return rows_min_ > 0; }
    std::uint64_t rows_min() const noexcept { return rows_min_; }
    // Whether a span's work is to be told of.
    static bool concerns(const telemetry::Span& span) noexcept;

    // After a run on SQLite that was long enough to look at its text.
    void look(const telemetry::Span& span, const StatementRef& statement,
              const telemetry::StatementUse& use, std::uint64_t cpu_ns);
    // Left out if it read less than `analytic_rows`.
    void note(const AnalyticRun& run);

    // A view's computation runs it. What is told of it from then on is what that costs, not that it
    // should be a view. `statement` lives as long as the program.
    void note_view(std::string_view statement);

    std::vector<AnalyticRead> all() const;  // what read most first

private:
    struct Kept {
        AnalyticRead read;
        std::chrono::steady_clock::time_point logged;
    };

    struct Told {
        bool now = false;  // in the log
        bool is_of_view = false;
    };

    Told keep(const AnalyticRun& run);

    const std::uint64_t rows_min_;
    const std::chrono::milliseconds log_every_;
    telemetry::Counter& total_;
    mutable std::mutex mutex_;
    std::map<std::string, Kept, std::less<>> kept_;
    std::set<std::string_view> of_views_;
};

}  // namespace loadstone::store
