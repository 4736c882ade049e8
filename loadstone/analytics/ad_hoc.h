#pragma once
// A statement that somebody types: read-only, within bounds, its result as text. Blocking, and
// without a server's services: for the command line.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/options.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics {

struct AdHocAnswer {
    std::vector<Column> columns;
    // A value for each column; none: null. Times as RFC 3339.
    std::vector<std::vector<std::optional<std::string>>> rows;
    Timestamp as_of;
};

// Of the store that the options name, with their query_rows_max, query_bytes_max and
// query_timeout. Errors: as analytics::query; unavailable while no server has the store running.
AdHocAnswer ask_ad_hoc(const Options& options, std::string_view text);

// {"columns": [..], "rows": [[..], ..], "as_of": ".."}, values in JSON's own types.
std::string to_json(const AdHocAnswer& answer);

}  // namespace loadstone::analytics
