#include "loadstone/store/postgres/internal/plan_sampler.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/postgres/internal/blocking_connection.h"
#include "loadstone/store/postgres/internal/plan_text.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

namespace {

// A text is cut at track_activity_query_size, before the character that does not fit.
constexpr const char* waiting_sql =
    "select query, count(*), octet_length(query) + 4 >= "
    "pg_size_bytes(current_setting('track_activity_query_size')) from pg_stat_activity "
    "where datname = current_database() and wait_event_type = 'Lock' group by query limit 1000";

// Of all tables, as EXPLAIN prints their names; those that were never analyzed have -1.
constexpr const char* table_rows_sql =
    "select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint from unnest($1::text[]) as n(name) "
    "join pg_class as c on c.oid = to_regclass(n.name)";

std::vector<Target> targets_from(const DatabaseOptions& options) {
    std::vector<Target> targets{primary_of(options)};
    for (Target& server : servers_of(options)) targets.push_back(std::move(server));
    return targets;
}

std::string array_of(const std::vector<std::string>& names) {
    std::string text = "{";
    for (const std::string& name : names) {
        text += text.size() > 1 ? ",\"" : "\"";
        for (const char c : name) {
            if (c == '"' || c == '\\') text += '\\';
            text += c;
        }
        text += '"';
    }
    return text + "}";
}

}  // namespace

PlanSampler::PlanSampler(const DatabaseOptions& options, StatementStatistics& statistics,
                         telemetry::Registry& registry)
    : options_(options),
      targets_(targets_from(options)),
      statistics_(statistics),
      samples_(registry.counter("loadstone_postgres_plan_samples_total", "",
                                "Reads that were run once more under EXPLAIN")),
      failures_(registry.counter("loadstone_postgres_plan_sample_failures_total", "",
                                 "Reads whose plan could not be looked at")),
      suspect_ns_(statistics.analytic_reads().rows_min() * row_ns_min),
      connections_(targets_.size()) {}

PlanSampler::~PlanSampler() { stop(); }

void PlanSampler::start() {
    thread_ = std::thread([this] { serve(); });
}

void PlanSampler::stop() {
    wants_any_ = wants_suspect_ = false;
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PlanSampler::offer(const Operation& operation, Ran ran, bool failed, std::size_t replica) {
    Prepared* const prepared = operation.prepared.get();
    if (prepared == nullptr || operation.sent_tsc == 0) return;
    const std::uint64_t round = round_.load(std::memory_order_relaxed);
    if (prepared->sampled_in != 0 && round - prepared->sampled_in < rest) return;
    const std::uint64_t ns = telemetry::tsc_to_ns(telemetry::tsc() - operation.sent_tsc);
    if (wants_suspect_ && ran != Ran::on_replica && is_suspect(operation, ns)) {
        take(operation, ran, replica, ns, suspect);
    } else if (wants_any_ && !failed && !operation.statement.writes && ran != Ran::in_transaction) {
        take(operation, ran, replica, ns, any);
    }
}

bool PlanSampler::is_suspect(const Operation& operation, std::uint64_t ns) const {
    if (!statistics_.analytic_reads().is_on() || ns < suspect_ns_) return false;
    if (!AnalyticReads::concerns(operation.context.span())) return false;
    std::optional<bool>& known = operation.prepared->adds_up;
    if (!known) known = adds_up(operation.statement.postgres);
    return *known;
}

void PlanSampler::take(const Operation& operation, Ran ran, std::size_t replica, std::uint64_t ns,
                       Kind kind) {
    operation.prepared->sampled_in = round_.load(std::memory_order_relaxed);
    std::size_t bytes = 0;
    for (const Value& value : operation.values) bytes += value.text.size();
    if (bytes > value_bytes_max) return;
    const StatementRef& statement = operation.statement;
    const telemetry::Span& span = operation.context.span();
    Sample sample;
    sample.name = statement.name;
    sample.text = statement.postgres;
    sample.values.assign(operation.values.begin(), operation.values.end());
    for (const Value& value : operation.values) sample.texts.emplace_back(value.text);
    const auto run_max = std::chrono::nanoseconds(options_.statistics.sample_timeout / 2);
    sample.runs = !statement.writes && ran != Ran::in_transaction &&
                  ns < static_cast<std::uint64_t>(run_max.count());
    sample.server = ran == Ran::on_replica ? 1 + replica : 0;
    sample.may_be_analytic = ran != Ran::on_replica && AnalyticReads::concerns(span);
    sample.activity = span.name;
    sample.place = place_text(statement.place);
    sample.rows = operation.rows_given();
    sample.ns = ns;
    {
        const std::scoped_lock lock(mutex_);
        if (samples_taken_[kind] || stopping_) return;
        samples_taken_[kind].emplace(std::move(sample));
        (kind == suspect ? wants_suspect_ : wants_any_) = false;
    }
    changed_.notify_all();
}

void PlanSampler::serve() {
    pthread_setname_np(pthread_self(), "plan-sampler");
    for (;;) {
        std::array<std::optional<Sample>, 2> samples;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, options_.statistics.sample_every,
                              [this] { return stopping_.load(); });
            if (stopping_) break;
            ++round_;
            samples = std::exchange(samples_taken_, {});
            wants_any_ = wants_suspect_ = true;
        }
        look(samples);
    }
    connections_.clear();
}

void PlanSampler::look(const std::array<std::optional<Sample>, 2>& samples) {
    attempt([this] { look_for_lock_waits(connection(0)); });
    for (const auto& sample : samples) {
        if (sample) attempt([&] { explain(connection(sample->server), *sample); });
    }
}

template <class Work>
void PlanSampler::attempt(const Work& work) {
    if (stopping_) return;
    try {
        work();
    } catch (const Error& error) {
        failures_.add();
        if (stopping_) return;
        const auto unsaid = error.code() == Errc::unavailable
                                ? complaints_.take(log::Throttle::Clock::now())
                                : std::nullopt;
        if (unsaid) {
            log::warning("the database cannot be asked for plans and lock waits",
                         {{"error", error.message()}, {"unsaid", *unsaid}});
        } else {
            log::debug("a plan could not be looked at", {{"error", error.message()}});
        }
    }
}

BlockingConnection& PlanSampler::connection(std::size_t server) {
    auto& kept = connections_[server];
    if (kept != nullptr && !kept->is_lost()) return *kept;
    kept.reset();
    auto opened = std::make_unique<BlockingConnection>(targets_[server], options_, &stopping_,
                                                       server == 0 ? Use::read : Use::replica);
    opened->run(
        fmt::format("set statement_timeout = {}", options_.statistics.sample_timeout.count()), {},
        "a plan's sample");
    kept = std::move(opened);
    return *kept;
}

void PlanSampler::explain(BlockingConnection& connection, const Sample& sample) {
    std::vector<Value> values = sample.values;
    for (std::size_t i = 0; i < values.size(); ++i) values[i].text = sample.texts[i];
    const auto explained = connection.run_bound(
        fmt::format("explain ({}format text) {}",
                    sample.runs ? "analyze, buffers, timing off, " : "", sample.text),
        values, sample.name);
    std::string lines;
    for (int row = 0; row < PQntuples(explained.get()); ++row)
        lines.append(text_of(explained, row, 0)).append("\n");
    const ExplainedPlan plan = read_plan(lines);
    samples_.add();
    statistics_.note_plan(sample.name, shape_of(plan));
    if (sample.runs) statistics_.note_sample(sample.name, plan.rows, plan.scanned, plan.temp_bytes);
    if (sample.may_be_analytic) note_analytic(connection, sample, plan);
}

void PlanSampler::note_analytic(BlockingConnection& connection, const Sample& sample,
                                const ExplainedPlan& plan) {
    AnalyticRun run;
    run.statement = sample.name;
    run.activity = sample.activity;
    run.place = sample.place;
    run.read = plan.added_up;
    run.is_estimate = !plan.is_analyzed;
    run.rows = sample.rows;
    run.us = sample.ns / 1'000;
    if (run.is_estimate && !plan.added_up_tables.empty()) {
        const auto rows =
            connection.run(table_rows_sql, {array_of(plan.added_up_tables)}, "rows of tables");
        run.read = std::max(run.read, count_of(rows, 0, 0));
    }
    statistics_.analytic_reads().note(run);
}

void PlanSampler::look_for_lock_waits(BlockingConnection& connection) {
    const auto waiting = connection.run(waiting_sql, {}, "lock waits");
    for (int row = 0; row < PQntuples(waiting.get()); ++row) {
        const std::string text = text_of(waiting, row, 0);
        const std::uint64_t sessions = count_of(waiting, row, 1);
        if (text_of(waiting, row, 2) == "t")
            note_cut_text(text, sessions);
        else
            statistics_.note_lock_waits(text, sessions);
    }
}

// All that it may be: texts that differ only after a thousand bytes are rare.
void PlanSampler::note_cut_text(const std::string& text, std::uint64_t sessions) {
    for (const StatementText& known : statistics_.texts()) {
        if (known.postgres.starts_with(text)) statistics_.note_lock_waits(known.postgres, sessions);
    }
}

}  // namespace loadstone::store::postgres
