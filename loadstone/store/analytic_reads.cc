#include "loadstone/store/analytic_reads.h"

#include <algorithm>
#include <array>

#include "loadstone/base/log.h"

namespace loadstone::store {

namespace {

constexpr std::string_view what_to_do =
    "declare a view or an aggregate for it, or ask analytics (docs/operating, analytics)";
// It is a view.
constexpr std::string_view what_to_do_of_view =
    "nothing, unless it is computed often: its answer is kept (docs/operating, analytics)";

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_of_word(char c) noexcept {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool is(std::string_view word, std::string_view lower_case) noexcept {
    return std::ranges::equal(word, lower_case, {}, lower);
}

// Words and single other characters of a statement; strings, quoted names and comments are passed
// over.
class Words {
public:
    explicit Words(std::string_view sql) noexcept : left_(sql) {}

    // Empty at the end.
    std::string_view next() noexcept {
        while (!left_.empty()) {
            const char c = left_.front();
            if (c == '\'' || c == '"') {
                pass(left_.find(c, 1), 1);
            } else if (left_.starts_with("--")) {
                pass(left_.find('\n'), 1);
            } else if (left_.starts_with("/*")) {
                pass(left_.find("*/", 2), 2);
            } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
                left_.remove_prefix(1);
            } else {
                std::size_t length = 0;
                while (length < left_.size() && is_of_word(left_[length])) ++length;
                return take(std::max<std::size_t>(length, 1));
            }
        }
        return {};
    }

private:
    void pass(std::size_t end, std::size_t beyond) noexcept {
        left_.remove_prefix(end == std::string_view::npos ? left_.size() : end + beyond);
    }
    std::string_view take(std::size_t length) noexcept {
        const std::string_view word = left_.substr(0, length);
        left_.remove_prefix(length);
        return word;
    }

    std::string_view left_;
};

// After '(': whether there is more than one argument. By value: the words are looked at again.
bool has_arguments(Words words) noexcept {
    int depth = 1;
    for (auto word = words.next(); !word.empty() && depth > 0; word = words.next()) {
        if (word == "(") ++depth;
        if (word == ")") --depth;
        if (word == "," && depth == 1) return true;
    }
    return false;
}

constexpr auto aggregates = std::to_array<std::string_view>({"count",
                                                             "sum",
                                                             "avg",
                                                             "total",
                                                             "group_concat",
                                                             "string_agg",
                                                             "array_agg",
                                                             "json_agg",
                                                             "jsonb_agg",
                                                             "json_object_agg",
                                                             "jsonb_object_agg",
                                                             "bool_or",
                                                             "bool_and",
                                                             "every",
                                                             "json_group_array",
                                                             "json_group_object",
                                                             "stddev",
                                                             "stddev_pop",
                                                             "stddev_samp",
                                                             "variance",
                                                             "var_pop",
                                                             "var_samp",
                                                             "mode",
                                                             "percentile_cont",
                                                             "percentile_disc"});

template <class... Known>
void tell(const AnalyticRun& run, bool is_of_view, const Known&... known) {
    log::warning(is_of_view
                     ? "computing a view added up many rows of the transactional database"
                     : "a question for the column store was asked of the transactional database",
                 {{"statement", run.statement},
                  {"in", run.activity},
                  {"at", run.place},
                  {run.is_estimate ? "rows_read_about" : "rows_read", run.read},
                  {"rows", run.rows},
                  {"ms", run.us / 1'000},
                  known...,
                  {"do", is_of_view ? what_to_do_of_view : what_to_do}});
}

}  // namespace

bool adds_up(std::string_view sql) noexcept {
    Words words(sql);
    std::string_view before;
    for (auto word = words.next(); !word.empty(); before = word, word = words.next()) {
        if (is(word, "distinct") && !is(before, "is") && !is(before, "not")) return true;
        if (is(word, "by") && is(before, "group")) return true;
        if (word != "(") continue;
        if (is(before, "over")) return true;
        if (std::ranges::any_of(aggregates, [&](auto name) { return is(before, name); }))
            return true;
        if ((is(before, "min") || is(before, "max")) && !has_arguments(words)) return true;
    }
    return false;
}

AnalyticReads::AnalyticReads(const StatisticsOptions& options, telemetry::Registry& registry)
    : rows_min_(options.analytic_rows),
      log_every_(options.analytic_log_every),
      total_(registry.counter(
          "loadstone_statement_analytic_total", "",
          "Runs, for a request or job, of statements that added up store.analytic_rows or more on "
          "the primary; PostgreSQL: of those that were looked at")) {}

bool AnalyticReads::concerns(const telemetry::Span& span) noexcept {
    return span.label != 0 && !std::string_view(span.name).starts_with("loadstone.");
}

void AnalyticReads::look(const telemetry::Span& span, const StatementRef& statement,
                         const telemetry::StatementUse& use, std::uint64_t cpu_ns) {
    if (!concerns(span) || !adds_up(statement.sqlite)) return;
    AnalyticRun run;
    run.statement = statement.name;
    run.activity = span.name;
    run.place = place_text(statement.place);
    run.is_estimate = use.scanned < rows_min_;
    run.read = run.is_estimate ? use.steps / steps_a_row : use.scanned;
    run.rows = use.rows;
    run.us = use.ns / 1'000;
    run.cpu_us = cpu_ns / 1'000;
    note(run);
}

void AnalyticReads::note(const AnalyticRun& run) {
    if (!is_on() || run.read < rows_min_) return;
    total_.add();
    const Told told = keep(run);
    if (!told.now) return;
    if (run.cpu_us > 0)
        tell(run, told.is_of_view, log::Field("cpu_ms", run.cpu_us / 1'000));
    else
        tell(run, told.is_of_view);
}

void AnalyticReads::note_view(std::string_view statement) {
    if (!is_on()) return;
    const std::scoped_lock lock(mutex_);
    of_views_.insert(statement);
}

AnalyticReads::Told AnalyticReads::keep(const AnalyticRun& run) {
    const auto now = std::chrono::steady_clock::now();
    const std::scoped_lock lock(mutex_);
    auto known = kept_.find(run.statement);
    const bool is_new = known == kept_.end();
    if (is_new) {
        if (kept_.size() >= statements_max) return {};
        known = kept_.emplace(std::string(run.statement), Kept{}).first;
        known->second.read.statement = run.statement;
    }
    AnalyticRead& read = known->second.read;
    ++read.times;
    read.at = Timestamp::now();
    read.is_of_view = of_views_.contains(run.statement);
    if (run.read >= read.read) {
        read.activity = run.activity;
        read.place = run.place;
        read.read = run.read;
        read.is_estimate = run.is_estimate;
        read.rows = run.rows;
        read.us = run.us;
        read.cpu_us = run.cpu_us;
    }
    if (!is_new && now - known->second.logged < log_every_) return {};
    known->second.logged = now;
    return {.now = true, .is_of_view = read.is_of_view};
}

std::vector<AnalyticRead> AnalyticReads::all() const {
    std::vector<AnalyticRead> found;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [name, kept] : kept_) found.push_back(kept.read);
    }
    std::ranges::sort(found, std::ranges::greater(), &AnalyticRead::read);
    return found;
}

}  // namespace loadstone::store
