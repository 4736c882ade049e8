#pragma once
// Keys: what the arguments of a job say of its tenant, its limits and its uniqueness, as text.
//
// The partition of a job is "TENANT|LIMIT:KEY|LIMIT:KEY.."; empty for a kind that has neither
// tenant nor limits. Jobs of one partition wait in one line, and are claimed by what the limits
// named in it allow. In the parts, "%", "|" and, of a limit's name, ":" are written "%25", "%7C"
// and "%3A".

#include <string>
#include <string_view>
#include <vector>

#include "loadstone/jobs/handlers.h"

namespace loadstone::jobs {

std::string partition_of(const Kind& kind, const void* arguments);
// A tenant as it stands in the partitions of its jobs.
std::string tenant_in_partition(std::string_view tenant);
// "KIND|VALUE|VALUE.."; empty for a kind that is not unique.
std::string unique_key_of(const Kind& kind, const void* arguments, std::string_view json);

struct Partition {
    std::string tenant;               // as it stands there; unescaped() gives its name
    std::vector<std::string> limits;  // "mail:gmail.com"
};
Partition parse_partition(std::string_view text);
// Its limits, as parts of it.
std::vector<std::string_view> limits_in(std::string_view partition);
// Jobs that are suspected of killing their processes run alone (internal/alone.h), of a queue one
// at a time: a limit of the framework.
inline constexpr std::string_view suspect_limit = "loadstone.suspect";
// The partition of a job that has become one.
std::string suspect_partition(std::string_view partition, std::string_view queue);
bool is_suspect(std::string_view partition);
// The partition of one that is none any more.
std::string without_suspicion(std::string_view partition);
// The partition without some of its limits.
std::string without_limits(std::string_view partition, const std::vector<std::string>& limits);
// "mail" of "mail:gmail.com".
std::string limit_name(std::string_view limit_and_key);
// "gmail.com" of it.
std::string limit_key(std::string_view limit_and_key);
// A part of a partition as it was given.
std::string unescaped(std::string_view part);

}  // namespace loadstone::jobs
