#include "loadstone/server/internal/metric_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loadstone::server::internal {
namespace {

constexpr std::string_view prefixes[] = {"app_"};

TEST(MetricTable, HasARowForEachSetOfLabelsAndAColumnForEachMetric) {
    const auto metrics = metrics_in("7",
                                    "# HELP app_reads_total Reads\n"
                                    "app_moved_total 3\n"
                                    "app_waits_total 0\n"
                                    "app_reads_total{server=\"a:1/x\"} 12345678\n"
                                    "app_reads_total{server=\"b:2/x\"} 2\n"
                                    "app_usable{server=\"a:1/x\"} 1\n"
                                    "app_refused_total{module=\"m\",direction=\"read\"} 4\n"
                                    "other_total 9\n",
                                    prefixes);
    ASSERT_EQ(metrics.size(), 6U);
    EXPECT_EQ(metrics[2].name, "app_reads_total");
    EXPECT_EQ(metrics[2].labels, "server=\"a:1/x\"");
    EXPECT_EQ(table_of(metrics, prefixes),
              "process 7\n"
              "  moved 3, waits 0\n"
              "  module direction  refused\n"
              "  m read                  4\n"
              "  server     reads  usable\n"
              "  a:1/x   12345678       1\n"
              "  b:2/x          2       -\n");
}

TEST(MetricTable, OfEachProcessAndOfNone) {
    EXPECT_EQ(table_of({}, prefixes), "");
    auto metrics = metrics_in("1", "app_waits_total 1\n", prefixes);
    metrics.push_back({"2", "app_waits_total", "", "2"});
    EXPECT_EQ(table_of(metrics, prefixes), "process 1\n  waits 1\nprocess 2\n  waits 2\n");
}

TEST(MetricTable, TakesLinesThatAreNoMetricsForNone) {
    EXPECT_TRUE(metrics_in("1", "app_x\n\n \napp_\n", prefixes).empty());
}

}  // namespace
}  // namespace loadstone::server::internal
