#pragma once
// Metrics of running servers as tables. Pure.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"

namespace loadstone::server::internal {

struct ServerMetric {
    std::string process;  // its id
    std::string name;     // of the metric
    std::string labels;   // `module="accounts",direction="read"`
    std::string value;
};
BOOST_DESCRIBE_STRUCT(ServerMetric, (), (process, name, labels, value))

// Those of /metrics as `text` whose name begins with one of `prefixes`.
std::vector<ServerMetric> metrics_in(const std::string& process, std::string_view text,
                                     std::span<const std::string_view> prefixes);

// Of each process: what has no labels in a line, then a table with a row for each set of labels and
// a column for each metric, without what their names begin with.
std::string table_of(std::span<const ServerMetric> metrics,
                     std::span<const std::string_view> prefixes);

}  // namespace loadstone::server::internal
