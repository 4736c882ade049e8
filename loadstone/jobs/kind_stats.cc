#include "loadstone/jobs/kind_stats.h"

#include <algorithm>
#include <map>

#include "loadstone/jobs/queue.h"

namespace loadstone::jobs {

namespace {

using telemetry::HistogramCounts;

TimesCounted counted(const HistogramCounts& counts) {
    TimesCounted times;
    const auto last = std::find_if(counts.counts.rbegin(), counts.counts.rend(),
                                   [](std::uint64_t count) { return count > 0; });
    times.buckets.assign(counts.counts.begin(), last.base());
    return times;
}

void add(HistogramCounts& sum, const TimesCounted& times) {
    for (std::size_t i = 0; i < std::min(times.buckets.size(), HistogramCounts::buckets); ++i) {
        sum.counts[i] += times.buckets[i];
        sum.total += times.buckets[i];
    }
}

std::int64_t quantile_us(const HistogramCounts& counts, double q) {
    return static_cast<std::int64_t>(counts.quantile_ns(q) / 1'000);
}

struct Sum {
    KindStats stats;
    HistogramCounts wait, run;
};

}  // namespace

std::vector<KindCounts> kind_counts(const Queue& queue, const telemetry::Registry& registry) {
    const telemetry::Snapshot snapshot = registry.snapshot();
    std::vector<KindCounts> all;
    for (const auto& kind : queue.kinds()) {
        const telemetry::ActivityTotals& totals = snapshot.activities.at(kind->label);
        HistogramCounts wait;
        kind->meters.wait->read_into(wait);
        KindCounts counts;
        counts.queue = kind->queue;
        counts.kind = kind->name;
        counts.runs = totals.count;
        counts.failed = totals.failures;
        counts.retried = kind->meters.retried->value();
        counts.snoozed = kind->meters.snoozed->value();
        counts.buried = kind->meters.buried->value();
        counts.limited = kind->meters.limited->value();
        counts.wait = counted(wait);
        counts.run = counted(totals.latency);
        all.push_back(std::move(counts));
    }
    return all;
}

QueueKinds kinds_of(const std::string& queue,
                    const std::vector<std::vector<KindCounts>>& processes) {
    QueueKinds of;
    std::map<std::string, Sum> sums;
    for (const std::vector<KindCounts>& process : processes) {
        std::uint64_t limited = 0;  // each of its kinds says it
        for (const KindCounts& counts : process) {
            if (counts.queue != queue) continue;
            limited = counts.limited;
            Sum& sum = sums[counts.kind];
            sum.stats.runs += counts.runs;
            sum.stats.failed += counts.failed;
            sum.stats.retried += counts.retried;
            sum.stats.snoozed += counts.snoozed;
            sum.stats.buried += counts.buried;
            add(sum.wait, counts.wait);
            add(sum.run, counts.run);
        }
        of.limited += limited;
    }
    for (auto& [kind, sum] : sums) {
        KindStats& stats = sum.stats;
        stats.kind = kind;
        stats.wait_p50_us = quantile_us(sum.wait, 0.5);
        stats.wait_p99_us = quantile_us(sum.wait, 0.99);
        stats.run_p50_us = quantile_us(sum.run, 0.5);
        stats.run_p99_us = quantile_us(sum.run, 0.99);
        of.kinds.push_back(std::move(stats));
    }
    return of;
}

}  // namespace loadstone::jobs
