#pragma once
// StatementStatistics: what a database knows of its named statements beyond the numbers that
// telemetry adds up (telemetry/statements.h): the slowest executions of late, statements that one
// span runs over and over (N+1), plans and their changes, reads that are for the column store
// (analytic_reads.h).
//
// Thread safety: all from any thread. record() takes a lock only for an execution that is slow or
// the first one too many of its place in the code; it allocates only then.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/base/timestamp.h"
#include "loadstone/store/statement.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store {

class AnalyticReads;

struct StatisticsOptions {
    // Executions of a statement that gives or writes no more rows than this, at one place in the
    // code within one request or job; with more it is reported as N+1. 0: not looked at.
    std::uint32_t repeats_max = 10;
    // N+1 fails the request or job with Errc::internal; for tests.
    bool strict = false;
    std::chrono::milliseconds slow_after{100};
    std::size_t slow_kept = 128;
    // Rows that a statement of a request or job adds up on the primary, from which on it is told of
    // as one for the column store. 0: not looked at.
    std::uint64_t analytic_rows = 100'000;
    // Of one statement, between two lines of these in the log.
    std::chrono::milliseconds analytic_log_every{600'000};
    // PostgreSQL: reads of real traffic explained with ANALYZE, one in `sample_every` at most.
    bool samples_plans = true;
    std::chrono::milliseconds sample_every{1'000};
    std::chrono::milliseconds sample_timeout{500};
};

// An execution above `slow_after`. Without its parameters: they may be secrets.
struct SlowStatement {
    std::string statement;
    std::string activity;
    std::string place;  // "FILE:LINE", empty if unknown
    Timestamp at;       // its end
    std::uint64_t us = 0, rows = 0, scanned = 0, pool_wait_us = 0, lock_wait_us = 0;
    std::uint64_t span = 0, cause = 0;
    bool failed = false;
};

struct RepeatedStatement {
    std::string statement;
    std::string activity;  // where it was seen first
    std::string place;
    std::uint64_t spans = 0;  // in which it was seen
};

// What is known of a statement's plan. On SQLite of each, on PostgreSQL of those that were sampled.
struct PlanFacts {
    std::string plan;    // as it is now: a line for each step, indented
    std::string before;  // the one that it replaced last
    std::uint64_t changes = 0;
    Timestamp changed_at;
    // Of sampled executions.
    std::uint64_t samples = 0, rows = 0, scanned = 0, temp_bytes = 0;
    // Sessions that were seen waiting for a lock in it, a look every `sample_every`.
    std::uint64_t lock_waits = 0;
};

struct StatementText {
    std::string name, sqlite, postgres;
    int parameters = 0;
    bool writes = false;
};

class StatementStatistics {
public:
    // Kept for as many names as there can be labels.
    static constexpr std::size_t statements_max = telemetry::Registry::labels_max;
    static constexpr std::size_t repeats_kept = 1'024;

    StatementStatistics(const StatisticsOptions& options, telemetry::Registry& registry);
    ~StatementStatistics();
    StatementStatistics(const StatementStatistics&) = delete;
    StatementStatistics& operator=(const StatementStatistics&) = delete;

    const StatisticsOptions& options() const noexcept { return options_; }

    // Before a statement runs. With `strict`, Errc::internal if this is one time too many.
    void require_new(const telemetry::Span& span, const StatementRef& statement) const {
        if (options_.strict) refuse_repeat(span, statement);
    }
    // After it has run, to the span and all statistics; `use.activity` is set here. `cpu_ns`: of a
    // long run in this process; 0: not known.
    void record(telemetry::Span& span, const StatementRef& statement, telemetry::StatementUse use,
                std::uint64_t cpu_ns = 0) noexcept;
    // When a connection first prepares it.
    void note_text(const StatementRef& statement);
    // A plan was made or looked at; a change is counted, logged and kept. Plans are compared as
    // text.
    void note_plan(std::string_view statement, std::string plan);
    void note_sample(std::string_view statement, std::uint64_t rows, std::uint64_t scanned,
                     std::uint64_t temp_bytes);
    // `text` is what the database says runs; others' statements are left out.
    void note_lock_waits(std::string_view text, std::uint64_t sessions);

    std::vector<SlowStatement> slow() const;  // slowest first
    std::vector<RepeatedStatement> repeated() const;
    std::map<std::string, PlanFacts, std::less<>> plans() const;
    std::vector<StatementText> texts() const;
    AnalyticReads& analytic_reads() noexcept { return *analytic_reads_; }
    const AnalyticReads& analytic_reads() const noexcept { return *analytic_reads_; }

private:
    PlanFacts* facts_of(std::string_view statement);  // under mutex_; null: there are too many
    void refuse_repeat(const telemetry::Span& span, const StatementRef& statement) const;
    void note_repeat(const telemetry::Span& span, const StatementRef& statement);
    void note_slow(const telemetry::Span& span, const StatementRef& statement,
                   const telemetry::StatementUse& use);

    const StatisticsOptions options_;
    const std::uint64_t slow_ns_;
    telemetry::Registry& registry_;
    telemetry::Counter& repeats_total_;
    telemetry::Counter& plan_changes_;
    const std::unique_ptr<AnalyticReads> analytic_reads_;
    const std::uint64_t analytic_scanned_, analytic_steps_;  // of SQLite, from which on it looks

    mutable std::mutex mutex_;
    std::deque<SlowStatement> slow_;
    std::map<std::uint64_t, RepeatedStatement> repeated_;  // by key_of_place()
    std::map<std::string, PlanFacts, std::less<>> plans_;
    std::map<std::string, StatementText, std::less<>> texts_;
};

// "campus/courses/routes.cc:41", from the folder of the program's sources on; empty if unknown.
std::string place_text(const std::source_location& place);

}  // namespace loadstone::store
