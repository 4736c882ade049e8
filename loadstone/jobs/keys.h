#pragma once
// Keys: what the arguments of a job say of its tenant, its limits and its uniqueness, as text.
//
// The partition of a job is "TENANT|LIMIT:KEY|LIMIT:KEY.."; empty for a kind that has neither
// tenant nor limits. Jobs of one partition wait in one line, and are claimed by what the limits
// named in it allow. In the parts, "%" and "|" are written "%25" and "%7C".

#include <string>
#include <string_view>
#include <vector>

#include "loadstone/jobs/handlers.h"

namespace loadstone::jobs {

std::string partition_of(const Kind& kind, const void* arguments);
// "KIND|VALUE|VALUE.."; empty for a kind that is not unique.
std::string unique_key_of(const Kind& kind, const void* arguments, std::string_view json);

struct Partition {
    std::string tenant;
    std::vector<std::string> limits;  // "mail:gmail.com"
};
Partition parse_partition(std::string_view text);
// "mail" of "mail:gmail.com".
std::string_view limit_name(std::string_view limit_and_key);

}  // namespace loadstone::jobs
