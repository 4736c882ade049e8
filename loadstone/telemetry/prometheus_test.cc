#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "loadstone/telemetry/internal/prometheus_text.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {
namespace {

using Labels = std::map<std::string, std::string>;
using Series = std::pair<std::string, Labels>;

struct Metrics {
    std::map<std::string, std::string> types;  // by family
    std::map<std::string, std::string> helps;
    std::map<Series, double> samples;

    std::optional<double> value(const std::string& name, const Labels& labels) const {
        const auto found = samples.find({name, labels});
        return found == samples.end() ? std::nullopt : std::optional(found->second);
    }
};

// A reader of the text format, stricter than Prometheus: throws at the first line that is wrong,
// at a family that is declared twice or not at all, and at a series that comes twice.
class Parser {
public:
    explicit Parser(std::string_view text) : rest_(text) {}

    Metrics parse() {
        while (!rest_.empty()) {
            if (rest_.starts_with("# HELP ")) {
                declare(metrics_.helps, 7);
            } else if (rest_.starts_with("# TYPE ")) {
                family_ = declare(metrics_.types, 7);
            } else {
                sample();
            }
        }
        return metrics_;
    }

private:
    [[noreturn]] void fail(const std::string& why) const {
        throw std::runtime_error(why + " at: " + std::string(rest_.substr(0, 120)));
    }

    void expect(char c) {
        if (rest_.empty() || rest_.front() != c) fail(std::string("expected ") + c);
        rest_.remove_prefix(1);
    }

    std::string until(std::string_view ends) {
        const std::size_t length = rest_.find_first_of(ends);
        if (length == std::string_view::npos || length == 0) fail("expected a word");
        std::string word(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return word;
    }

    std::string declare(std::map<std::string, std::string>& into, std::size_t prefix) {
        rest_.remove_prefix(prefix);
        std::string name = until(" \n");
        if (!is_metric_name(name)) fail("not a name: " + name);
        expect(' ');
        const std::string text = until("\n");
        expect('\n');
        if (!into.emplace(name, text).second) fail(name + " is declared twice");
        return name;
    }

    std::string quoted() {
        expect('"');
        std::string value;
        while (!rest_.empty() && rest_.front() != '"') {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '\n') fail("line break in a value");
            if (c == '\\') {
                if (rest_.empty()) fail("nothing after a backslash");
                c = rest_.front();
                rest_.remove_prefix(1);
                if (c == 'n') {
                    c = '\n';
                } else if (c != '\\' && c != '"') {
                    fail("unknown escape");
                }
            }
            value += c;
        }
        expect('"');
        return value;
    }

    void sample() {
        const std::string name = until("{ \n");
        Labels labels;
        if (rest_.starts_with("{")) {
            expect('{');
            while (true) {
                const std::string label = until("=");
                expect('=');
                if (!labels.emplace(label, quoted()).second) fail("a label comes twice");
                if (!rest_.starts_with(",")) break;
                expect(',');
            }
            expect('}');
        }
        expect(' ');
        const std::string text = until("\n");
        expect('\n');
        std::size_t used = 0;
        const double value = std::stod(text, &used);
        if (used != text.size()) fail("not a number: " + text);

        const bool belongs =
            name == family_ || (metrics_.types[family_] == "histogram" &&
                                (name == family_ + "_bucket" || name == family_ + "_sum" ||
                                 name == family_ + "_count"));
        if (!belongs || !metrics_.helps.contains(family_)) fail(name + " has no family");
        if (!metrics_.samples.emplace(Series{name, labels}, value).second) {
            fail(name + " comes twice with the same labels");
        }
    }

    std::string_view rest_;
    std::string family_;
    Metrics metrics_;
};

Metrics metrics_of(const Registry& registry) { return Parser(registry.prometheus()).parse(); }

// Ends now and began `ns` ago.
Span span_of(LabelIndex label, double ns) {
    Span span;
    span.start(label, "");
    span.started_tsc = tsc() - static_cast<std::uint64_t>(ns / ns_per_tsc());
    return span;
}

TEST(Prometheus, ShowsRequestsJobsAndQueries) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "POST /api/register", "accounts");
    const LabelIndex job = registry.add_label(LabelKind::job, "mail.Send", "mail");
    const LabelIndex query =
        registry.add_label(LabelKind::query, "accounts.user_by_id", "accounts");
    Span span = span_of(route, 3e6);
    span.waited(WaitKind::database, 2'000'000'000);
    span.bytes_in = 11;
    span.cpu_tsc = static_cast<std::uint64_t>(1e9 / ns_per_tsc());
    registry.shard().record(span, 1.0);
    span.failed = true;
    registry.shard().record(span, 1.0);
    registry.shard().record(span_of(job, 1e6), 1.0);
    registry.shard().record_query(query, 7'000'000, 3, true);

    const Metrics metrics = metrics_of(registry);
    const Labels of_route{{"route", "POST /api/register"}, {"module", "accounts"}};
    const Labels of_job{{"job", "mail.Send"}, {"module", "mail"}};
    const Labels of_query{{"query", "accounts.user_by_id"}, {"module", "accounts"}};
    EXPECT_EQ(metrics.value("loadstone_requests_total", of_route), 2);
    EXPECT_EQ(metrics.value("loadstone_request_failures_total", of_route), 1);
    EXPECT_EQ(metrics.value("loadstone_jobs_total", of_job), 1);
    EXPECT_EQ(metrics.value("loadstone_job_failures_total", of_job), 0);
    EXPECT_EQ(metrics.value("loadstone_query_rows_total", of_query), 3);
    EXPECT_EQ(metrics.value("loadstone_query_failures_total", of_query), 1);
    EXPECT_EQ(metrics.value("loadstone_query_seconds_count", of_query), 1);
    EXPECT_NEAR(metrics.value("loadstone_query_seconds_sum", of_query).value(), 0.007, 1e-9);

    Labels activity{{"activity", "POST /api/register"}, {"type", "route"}, {"module", "accounts"}};
    EXPECT_NEAR(metrics.value("loadstone_activity_cpu_seconds_total", activity).value(), 2, 1e-6);
    EXPECT_EQ(metrics.value("loadstone_activity_allocations_total", activity), 0);
    EXPECT_EQ(metrics.value("loadstone_activity_received_bytes_total", activity), 22);
    EXPECT_EQ(metrics.value("loadstone_activity_seconds_count", activity), 2);
    activity["kind"] = "database";
    EXPECT_EQ(metrics.value("loadstone_activity_wait_seconds_total", activity), 4);
    activity["kind"] = "external_host";
    EXPECT_EQ(metrics.value("loadstone_activity_wait_seconds_total", activity), 0);

    EXPECT_EQ(metrics.types.at("loadstone_requests_total"), "counter");
    EXPECT_EQ(metrics.types.at("loadstone_activity_seconds"), "histogram");
}

TEST(Prometheus, BucketsGrowToTheCount) {
    Registry registry;
    const LabelIndex query = registry.add_label(LabelKind::query, "all", "");
    // Of each bound the last bucket that lies wholly below it, and above the last bound.
    for (const std::uint64_t ns : {400'000U, 900'000U, 2'000'000U, 200'000'000U}) {
        registry.shard().record_query(query, ns, 0, false);
    }
    registry.shard().record_query(query, 20'000'000'000U, 0, false);

    const Metrics metrics = metrics_of(registry);
    const auto bucket = [&](const std::string& le) {
        return metrics
            .value("loadstone_query_seconds_bucket", {{"query", "all"}, {"module", ""}, {"le", le}})
            .value();
    };
    EXPECT_EQ(bucket("0.0005"), 1);
    EXPECT_EQ(bucket("0.001"), 2);
    EXPECT_EQ(bucket("0.0025"), 3);
    EXPECT_EQ(bucket("0.1"), 3);
    EXPECT_EQ(bucket("0.25"), 4);
    EXPECT_EQ(bucket("10"), 4);
    EXPECT_EQ(bucket("+Inf"), 5);
    EXPECT_EQ(metrics.value("loadstone_query_seconds_count", {{"query", "all"}, {"module", ""}}),
              5);
}

TEST(Prometheus, EscapesWhatNamesContain) {
    Registry registry;
    const std::string nasty = "GET /\"quoted\"\\back\nslash {x}";
    registry.add_label(LabelKind::route, nasty, "m\"");
    registry.counter("odd_total", metric_label("host", nasty), "Help with \\ and\na line.").add(2);

    const Metrics metrics = metrics_of(registry);
    EXPECT_EQ(metrics.value("loadstone_requests_total", {{"route", nasty}, {"module", "m\""}}), 0);
    EXPECT_EQ(metrics.value("odd_total", {{"host", nasty}}), 2);
    EXPECT_EQ(metrics.helps.at("odd_total"), "Help with \\\\ and\\na line.");
}

TEST(Prometheus, ShowsCountersAndGaugesByFamily) {
    Registry registry;
    registry.counter("rejected_total", "module=\"a\"", "Rejected.").add(1);
    registry.counter("zebra_total", "", "Last.").add(9);
    registry.counter("rejected_total", "module=\"b\"", "Rejected.").add(2);
    int owner = 0;
    int other_owner = 0;
    registry.gauge(&owner, "depth", "lane=\"cpu\"", "Queued.", [] { return 0.5; });
    registry.gauge(&other_owner, "depth", "lane=\"reader\"", "Queued.",
                   [] { return std::nan(""); });
    registry.gauge(&other_owner, "bound", "", "Bound.",
                   [] { return std::numeric_limits<double>::infinity(); });

    Metrics metrics = metrics_of(registry);
    EXPECT_EQ(metrics.value("rejected_total", {{"module", "a"}}), 1);
    EXPECT_EQ(metrics.value("rejected_total", {{"module", "b"}}), 2);
    EXPECT_EQ(metrics.value("zebra_total", {}), 9);
    EXPECT_EQ(metrics.value("depth", {{"lane", "cpu"}}), 0.5);
    EXPECT_TRUE(std::isnan(metrics.value("depth", {{"lane", "reader"}}).value()));
    EXPECT_TRUE(std::isinf(metrics.value("bound", {}).value()));
    EXPECT_EQ(metrics.types.at("depth"), "gauge");

    registry.gauge(&other_owner, "depth", "lane=\"cpu\"", "Queued.", [] { return 7.0; });
    registry.remove_gauges(&owner);
    EXPECT_EQ(metrics_of(registry).value("depth", {{"lane", "cpu"}}), 7);
    registry.remove_gauges(&other_owner);
    metrics = metrics_of(registry);
    EXPECT_FALSE(metrics.value("depth", {{"lane", "cpu"}}).has_value());
    EXPECT_FALSE(metrics.types.contains("depth"));
}

TEST(Prometheus, AGaugeMayUseCountersAndLabels) {
    Registry registry;
    registry.gauge(&registry, "depth", "", "Queued.", [&registry] {
        registry.add_label(LabelKind::route, "GET /", "");
        return static_cast<double>(registry.counter("hits_total", "", "Hits.").value());
    });
    EXPECT_EQ(metrics_of(registry).value("depth", {}), 0);
}

TEST(Prometheus, ShowsTheProcess) {
    const Registry registry;
    const Metrics metrics = metrics_of(registry);
    EXPECT_GT(metrics.value("process_cpu_seconds_total", {}), 0);
    EXPECT_GT(metrics.value("process_resident_memory_bytes", {}), 100'000);
    EXPECT_GE(metrics.value("process_open_fds", {}), 3);
    EXPECT_GE(metrics.value("process_max_fds", {}), metrics.value("process_open_fds", {}));
}

TEST(PrometheusText, KnowsWellFormedNamesAndLabels) {
    for (const char* name : {"a", "_x", "a:b_2", ":x"}) EXPECT_TRUE(is_metric_name(name)) << name;
    for (const char* name : {"", "2a", "a-b", "a b", "ä"})
        EXPECT_FALSE(is_metric_name(name)) << name;
    for (const char* labels : {"", "a=\"\"", "a=\"b\",c=\"d\"", "a=\"\\\\ \\\" \\n {}\""}) {
        EXPECT_TRUE(is_label_list(labels)) << labels;
    }
    for (const char* labels : {"a", "a=b", "a=\"b", "a=\"b\",", ",a=\"b\"", "2=\"b\"", "a=\"\\x\"",
                               "a=\"\n\"", "a=\"b\"c=\"d\"", "a=\"b\" ", "a=\"\\", "a="}) {
        EXPECT_FALSE(is_label_list(labels)) << labels;
    }
}

TEST(PrometheusDeathTest, ABadNameOrLabelListIsABug) {
    Registry registry;
    EXPECT_DEATH(registry.counter("hits", "", "Hits."), "ends in _total");
    EXPECT_DEATH(registry.counter("hits_total", "a=b", "Hits."), "comma-separated");
    EXPECT_DEATH(registry.gauge(nullptr, "x_total", "", "X.", [] { return 0.0; }), "_total");
}

}  // namespace
}  // namespace loadstone::telemetry
