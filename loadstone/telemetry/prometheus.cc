// The families of /metrics.

#include <array>
#include <string>

#include "loadstone/telemetry/internal/process_usage.h"
#include "loadstone/telemetry/internal/prometheus_text.h"
#include "loadstone/telemetry/internal/registry_state.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {
namespace {

double seconds(std::uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

constexpr std::array<std::string_view, 4> kind_names{"other", "route", "job", "query"};

// Counters of the totals of an activity.
struct ActivityFamily {
    std::string_view name;
    std::string_view help;
    std::uint64_t ActivityTotals::* value;
};

constexpr std::array<ActivityFamily, 2> request_families{{
    {"loadstone_requests_total", "Requests finished.", &ActivityTotals::count},
    {"loadstone_request_failures_total", "Requests that failed.", &ActivityTotals::failures},
}};

constexpr std::array<ActivityFamily, 2> job_families{{
    {"loadstone_jobs_total", "Runs of jobs finished.", &ActivityTotals::count},
    {"loadstone_job_failures_total", "Runs of jobs that failed.", &ActivityTotals::failures},
}};

constexpr std::array<ActivityFamily, 6> use_families{{
    {"loadstone_activity_allocations_total", "Calls of operator new.",
     &ActivityTotals::allocations},
    {"loadstone_activity_allocated_bytes_total", "Bytes asked of operator new.",
     &ActivityTotals::allocated_bytes},
    {"loadstone_activity_received_bytes_total", "Bytes received.", &ActivityTotals::bytes_in},
    {"loadstone_activity_sent_bytes_total", "Bytes sent.", &ActivityTotals::bytes_out},
    {"loadstone_activity_statements_total", "Statements run.", &ActivityTotals::statements},
    {"loadstone_activity_rows_total", "Rows read or changed.", &ActivityTotals::rows},
}};

struct Series {
    std::size_t index;
    std::string labels;
};

std::vector<Series> series_of(const Snapshot& snapshot, LabelKind kind,
                              std::string_view label_name) {
    std::vector<Series> series;
    for (std::size_t i = 0; i < snapshot.labels.size(); ++i) {
        const Label& label = snapshot.labels[i];
        if (label.kind != kind) continue;
        series.push_back(
            {i, metric_label(label_name, label.name) + "," + metric_label("module", label.module)});
    }
    return series;
}

void write_counters(PrometheusText& text, const ActivityFamily& family, const Snapshot& snapshot,
                    const std::vector<Series>& series) {
    text.family(family.name, "counter", family.help);
    for (const Series& one : series) {
        text.sample(family.name, one.labels, snapshot.activities[one.index].*family.value);
    }
}

void write_activities(PrometheusText& text, const Snapshot& snapshot) {
    std::vector<Series> series;
    for (std::size_t i = 0; i < snapshot.labels.size(); ++i) {
        const Label& label = snapshot.labels[i];
        if (label.kind == LabelKind::query) continue;
        series.push_back(
            {i, metric_label("activity", label.name) + "," +
                    metric_label("type", kind_names[static_cast<std::size_t>(label.kind)]) + "," +
                    metric_label("module", label.module)});
    }

    text.family("loadstone_activity_seconds", "histogram", "Time from start to end.");
    for (const Series& one : series) {
        text.histogram("loadstone_activity_seconds", one.labels,
                       snapshot.activities[one.index].latency);
    }
    text.family("loadstone_activity_cpu_seconds_total", "counter", "CPU time.");
    for (const Series& one : series) {
        text.sample("loadstone_activity_cpu_seconds_total", one.labels,
                    seconds(snapshot.activities[one.index].cpu_ns));
    }
    text.family("loadstone_activity_wait_seconds_total", "counter",
                "Time waited, by kind of wait.");
    for (const Series& one : series) {
        for (std::size_t kind = 0; kind < wait_kind_count; ++kind) {
            text.sample("loadstone_activity_wait_seconds_total",
                        one.labels + "," + metric_label("kind", wait_kind_names[kind]),
                        seconds(snapshot.activities[one.index].wait_ns[kind]));
        }
    }
    for (const ActivityFamily& family : use_families) {
        write_counters(text, family, snapshot, series);
    }
}

void write_queries(PrometheusText& text, const Snapshot& snapshot) {
    auto series = series_of(snapshot, LabelKind::query, "query");
    const auto without_name = series_of(snapshot, LabelKind::other, "query");
    series.insert(series.end(), without_name.begin(), without_name.end());

    text.family("loadstone_query_seconds", "histogram", "Time of a statement.");
    for (const Series& one : series) {
        text.histogram("loadstone_query_seconds", one.labels, snapshot.queries[one.index].latency);
    }
    text.family("loadstone_query_rows_total", "counter", "Rows read or changed by a query.");
    for (const Series& one : series) {
        text.sample("loadstone_query_rows_total", one.labels, snapshot.queries[one.index].rows);
    }
    text.family("loadstone_query_failures_total", "counter", "Statements that failed.");
    for (const Series& one : series) {
        text.sample("loadstone_query_failures_total", one.labels,
                    snapshot.queries[one.index].failures);
    }
}

struct StatementFamily {
    std::string_view name;
    std::string_view help;
    std::uint64_t StatementTotals::* value;
    bool is_time = false;
};

constexpr std::array<StatementFamily, 6> statement_families{{
    {"loadstone_statement_pool_wait_seconds_total", "Time waited for a connection.",
     &StatementTotals::pool_ns, true},
    {"loadstone_statement_lock_wait_seconds_total", "Time waited for the writer's turn.",
     &StatementTotals::lock_ns, true},
    {"loadstone_statement_scanned_rows_total", "Rows stepped through without an index (SQLite).",
     &StatementTotals::scanned},
    {"loadstone_statement_steps_total", "Steps of SQLite's virtual machine.",
     &StatementTotals::steps},
    {"loadstone_statement_sorts_total", "Sorts (SQLite).", &StatementTotals::sorts},
    {"loadstone_statement_auto_index_rows_total",
     "Rows put into an index made for one execution (SQLite).", &StatementTotals::auto_indexes},
}};

// By statement alone: routes times statements would be too many series.
void write_statements(PrometheusText& text, const Snapshot& snapshot,
                      const std::vector<StatementTotals>& pairs) {
    std::vector<StatementTotals> sums(snapshot.labels.size());
    std::uint64_t others = 0;
    for (const StatementTotals& pair : pairs) {
        if (pair.is_other) others = pair.latency.total;
        if (pair.statement >= sums.size()) continue;  // named since
        for (const StatementFamily& family : statement_families)
            sums[pair.statement].*family.value += pair.*family.value;
    }
    const auto series = series_of(snapshot, LabelKind::query, "statement");
    for (const StatementFamily& family : statement_families) {
        text.family(family.name, "counter", family.help);
        for (const Series& one : series) {
            const std::uint64_t value = sums[one.index].*family.value;
            if (family.is_time)
                text.sample(family.name, one.labels, seconds(value));
            else
                text.sample(family.name, one.labels, value);
        }
    }
    text.family("loadstone_statement_overflow_total", "counter",
                "Executions whose statement and route found no place of their own.");
    text.sample("loadstone_statement_overflow_total", "", others);
}

void write_process(PrometheusText& text) {
    const ProcessUsage usage = process_usage();
    text.family("process_cpu_seconds_total", "counter", "CPU time of the process.");
    text.sample("process_cpu_seconds_total", "", usage.cpu_seconds);
    text.family("process_resident_memory_bytes", "gauge", "Memory in RAM.");
    text.sample("process_resident_memory_bytes", "", usage.resident_bytes);
    text.family("process_open_fds", "gauge", "Open file descriptors.");
    text.sample("process_open_fds", "", usage.open_fds);
    text.family("process_max_fds", "gauge", "File descriptors that may be open.");
    text.sample("process_max_fds", "", usage.fds_max);
}

}  // namespace

std::string Registry::prometheus() const {
    const Snapshot totals = snapshot();
    PrometheusText text;

    const auto routes = series_of(totals, LabelKind::route, "route");
    for (const auto& family : request_families) write_counters(text, family, totals, routes);
    const auto jobs = series_of(totals, LabelKind::job, "job");
    for (const auto& family : job_families) write_counters(text, family, totals, jobs);
    write_activities(text, totals);
    write_queries(text, totals);
    write_statements(text, totals, statements());

    text.family("loadstone_labels_overflow_total", "counter",
                "Labels and series that found no room and are counted as other or not at all.");
    text.sample("loadstone_labels_overflow_total", "", state_->labels_overflow.value());
    {
        const std::lock_guard lock(state_->mutex);
        std::string_view family;
        for (const auto& [key, series] : state_->counters) {
            if (key.first != family) text.family(key.first, "counter", series.help);
            family = key.first;
            text.sample(key.first, key.second, series.counter.value());
        }
        for (const auto& [key, series] : state_->histograms) {
            if (key.first != family) text.family(key.first, "histogram", series.help);
            family = key.first;
            HistogramCounts counts;
            series.histogram.read_into(counts);
            text.histogram(key.first, key.second, counts);
        }
    }
    {
        const std::lock_guard lock(state_->gauges_mutex);
        std::string_view family;
        for (const auto& [key, series] : state_->gauges) {
            if (key.first != family) text.family(key.first, "gauge", series.help);
            family = key.first;
            text.sample(key.first, key.second, series.read());
        }
    }
    write_process(text);
    return std::move(text).take();
}

}  // namespace loadstone::telemetry
