#include "loadstone/store/statement_statistics.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/analytic_reads.h"

namespace loadstone::store {

namespace {

constexpr std::uint64_t changes_logged_max = 3;  // of each statement

// What may be run for one thing after the other by a request or job. A context without a label is
// that of a command or a loop, which may run the same for hours; one that is named after the
// framework does work of its own. Writes of jobs are what tx.enqueue does: mostly sent with others.
bool may_repeat(const telemetry::Span& span, const StatementRef& statement) noexcept {
    if (span.label == 0 || statement.place.line() == 0) return false;
    if (std::string_view(span.name).starts_with("loadstone.")) return false;
    return !statement.writes || !statement.name.starts_with("jobs.");
}

std::string_view instead_of_repeats(const StatementRef& statement) noexcept {
    return statement.writes ? "write all rows in one statement, or read what is to be locked in one"
                            : "ask for all rows in one statement";
}

// 0 is off.
std::uint64_t or_never(std::uint64_t number) noexcept {
    return number == 0 ? std::numeric_limits<std::uint64_t>::max() : number;
}

}  // namespace

std::string place_text(const std::source_location& place) {
    if (place.line() == 0) return {};
    std::string_view file = place.file_name();
    for (const std::string_view top : {"/campus/", "/loadstone/", "/tests/", "/examples/"}) {
        const auto at = file.rfind(top);
        if (at != std::string_view::npos) {
            file.remove_prefix(at + 1);
            break;
        }
    }
    return fmt::format("{}:{}", file, place.line());
}

StatementStatistics::StatementStatistics(const StatisticsOptions& options,
                                         telemetry::Registry& registry)
    : options_(options),
      slow_ns_(static_cast<std::uint64_t>(std::chrono::nanoseconds(options.slow_after).count())),
      registry_(registry),
      repeats_total_(registry.counter(
          "loadstone_statement_repeats_total", "",
          "Requests and jobs that ran a statement for few rows over and over at one place (N+1)")),
      plan_changes_(registry.counter("loadstone_statement_plan_changes_total", "",
                                     "Plans of statements that were replaced by another")),
      analytic_reads_(std::make_unique<AnalyticReads>(options, registry)),
      analytic_scanned_(or_never(options.analytic_rows)),
      analytic_steps_(or_never(options.analytic_rows * AnalyticReads::steps_a_row)) {}

StatementStatistics::~StatementStatistics() = default;

void StatementStatistics::record(telemetry::Span& span, const StatementRef& statement,
                                 telemetry::StatementUse use, std::uint64_t cpu_ns) noexcept {
    use.activity = span.label;
    span.used_query(use.statement, use.ns, use.rows);
    telemetry::Shard& shard = registry_.shard();
    shard.record_query(use.statement, use.ns, use.rows, use.failed);
    shard.record_statement(use);
    // Without memory the rare ones are not told of.
    if (use.ns >= slow_ns_) [[unlikely]] {
        try {
            note_slow(span, statement, use);
        } catch (const std::bad_alloc&) {
        }
    }
    if (use.scanned >= analytic_scanned_ || use.steps >= analytic_steps_) [[unlikely]] {
        try {
            analytic_reads_->look(span, statement, use, cpu_ns);
        } catch (const std::bad_alloc&) {
        }
    }
    if (options_.repeats_max == 0 || use.rows > options_.repeats_max ||
        !may_repeat(span, statement))
        return;
    if (span.repeats.add(statement.key_of_place()) == options_.repeats_max + 1) [[unlikely]] {
        try {
            note_repeat(span, statement);
        } catch (const std::bad_alloc&) {
        }
    }
}

void StatementStatistics::refuse_repeat(const telemetry::Span& span,
                                        const StatementRef& statement) const {
    if (options_.repeats_max == 0 || !may_repeat(span, statement)) return;
    if (span.repeats.times(statement.key_of_place()) < options_.repeats_max) return;
    throw Error(
        Errc::internal,
        fmt::format("{} ran more than {} times for few rows in {}, at {}: {} (store.strict)",
                    statement.name, options_.repeats_max, span.name, place_text(statement.place),
                    instead_of_repeats(statement)));
}

void StatementStatistics::note_repeat(const telemetry::Span& span, const StatementRef& statement) {
    repeats_total_.add();
    {
        const std::scoped_lock lock(mutex_);
        const auto known = repeated_.find(statement.key_of_place());
        if (known != repeated_.end()) {
            ++known->second.spans;
            return;
        }
        if (repeated_.size() >= repeats_kept) return;
        repeated_[statement.key_of_place()] = {std::string(statement.name), span.name,
                                               place_text(statement.place), 1};
    }
    log::warning("one statement for few rows, over and over (N+1)",
                 {{"statement", statement.name},
                  {"do", instead_of_repeats(statement)},
                  {"in", span.name},
                  {"at", place_text(statement.place)},
                  {"more_than", options_.repeats_max}});
}

void StatementStatistics::note_slow(const telemetry::Span& span, const StatementRef& statement,
                                    const telemetry::StatementUse& use) {
    SlowStatement slow{std::string(statement.name),
                       span.name,
                       place_text(statement.place),
                       Timestamp::now(),
                       use.ns / 1'000,
                       use.rows,
                       use.scanned,
                       use.pool_ns / 1'000,
                       use.lock_ns / 1'000,
                       span.id,
                       span.cause,
                       use.failed};
    const std::scoped_lock lock(mutex_);
    slow_.push_back(std::move(slow));
    if (slow_.size() > options_.slow_kept) slow_.pop_front();
}

void StatementStatistics::note_text(const StatementRef& statement) {
    const std::scoped_lock lock(mutex_);
    if (texts_.size() >= statements_max || texts_.contains(statement.name)) return;
    texts_.emplace(
        statement.name,
        StatementText{std::string(statement.name), std::string(statement.sqlite),
                      std::string(statement.postgres), statement.parameters, statement.writes});
}

void StatementStatistics::note_plan(std::string_view statement, std::string plan) {
    std::string before;
    std::uint64_t changes = 0;
    {
        const std::scoped_lock lock(mutex_);
        PlanFacts* const facts = facts_of(statement);
        if (facts == nullptr) return;
        if (facts->plan.empty()) facts->plan = plan;
        if (facts->plan == plan) return;
        before = facts->before = std::exchange(facts->plan, plan);
        changes = ++facts->changes;
        facts->changed_at = Timestamp::now();
    }
    plan_changes_.add();
    // One that goes to and fro with its values would fill the log.
    if (changes > changes_logged_max) return;
    log::warning("a statement's plan has changed",
                 {{"statement", statement}, {"before", before}, {"now", plan}});
}

void StatementStatistics::note_sample(std::string_view statement, std::uint64_t rows,
                                      std::uint64_t scanned, std::uint64_t temp_bytes) {
    const std::scoped_lock lock(mutex_);
    PlanFacts* const facts = facts_of(statement);
    if (facts == nullptr) return;
    ++facts->samples;
    facts->rows += rows;
    facts->scanned += scanned;
    facts->temp_bytes += temp_bytes;
}

void StatementStatistics::note_lock_waits(std::string_view text, std::uint64_t sessions) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, known] : texts_) {
        if (known.postgres != text) continue;
        if (PlanFacts* const facts = facts_of(name)) facts->lock_waits += sessions;
    }
}

PlanFacts* StatementStatistics::facts_of(std::string_view statement) {
    const auto known = plans_.find(statement);
    if (known != plans_.end()) return &known->second;
    if (plans_.size() >= statements_max) return nullptr;
    return &plans_[std::string(statement)];
}

std::vector<SlowStatement> StatementStatistics::slow() const {
    std::vector<SlowStatement> found;
    {
        const std::scoped_lock lock(mutex_);
        found.assign(slow_.begin(), slow_.end());
    }
    std::ranges::sort(found, std::ranges::greater(), &SlowStatement::us);
    return found;
}

std::vector<RepeatedStatement> StatementStatistics::repeated() const {
    const std::scoped_lock lock(mutex_);
    std::vector<RepeatedStatement> found;
    for (const auto& [key, repeated] : repeated_) found.push_back(repeated);
    return found;
}

std::map<std::string, PlanFacts, std::less<>> StatementStatistics::plans() const {
    const std::scoped_lock lock(mutex_);
    return plans_;
}

std::vector<StatementText> StatementStatistics::texts() const {
    const std::scoped_lock lock(mutex_);
    std::vector<StatementText> found;
    for (const auto& [name, text] : texts_) found.push_back(text);
    return found;
}

}  // namespace loadstone::store
