#pragma once
// why: what takes the time, and where each route's and job's time goes. Pure: snapshots in,
// ranking out; the text is made from the ranking.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/telemetry/registry.h"

namespace loadstone::attribution {

// Where time went: the CPU, each wait kind, and what nothing accounts for.
struct Share {
    std::string_view name;  // "cpu", "database", ..., "unaccounted"
    double part = 0;        // 0..1 of the activity's time
};

struct QueryRank {
    std::string name;
    double per_second = 0;
    double calls_each = 0;  // per request or job
    std::uint64_t mean_ns = 0;
    double rows_each = 0;  // per call
};

struct Activity {
    telemetry::LabelKind kind = telemetry::LabelKind::other;
    std::string name;
    std::string module;
    std::uint64_t count = 0, failures = 0;
    double per_second = 0;
    std::uint64_t p50_ns = 0, p95_ns = 0, p99_ns = 0;
    double time_part = 0;  // of the time of all activities, 0..1
    std::uint64_t cpu_ns_each = 0;
    double allocations_each = 0;
    std::vector<Share> shares;       // largest first, those of at least 0.5 %
    std::vector<QueryRank> queries;  // heaviest first
};

struct Ranking {
    double seconds = 0;
    std::vector<Activity> activities;  // heaviest first
    std::string verdict;               // one sentence
};

// What happened between two snapshots of one registry; `before` null: since the start, of which
// `age_seconds` tells how long ago it was.
Ranking rank(const telemetry::Snapshot& now, const telemetry::Snapshot* before, double age_seconds);

// The table that `why` prints.
std::string to_text(const Ranking& ranking);

}  // namespace loadstone::attribution
