#pragma once
// What a Registry holds: its labels and series, and the pool of its shards.

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "loadstone/telemetry/internal/shard_pool.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {

// Name and labels; in this order the series of a family stand together.
using SeriesKey = std::pair<std::string, std::string>;

struct CounterSeries {
    std::string help;
    Counter counter;
};

struct HistogramSeries {
    std::string help;
    Histogram histogram;
};

struct GaugeSeries {
    const void* owner = nullptr;
    std::string help;
    std::function<double()> read;
};

struct Registry::State {
    State(bool recording, std::size_t statements_max)
        : shards(std::make_shared<ShardPool>(recording, statements_max)) {}

    std::shared_ptr<ShardPool> shards;

    std::mutex mutex;  // of what follows
    std::map<std::pair<LabelKind, std::string>, LabelIndex> indices;
    std::deque<Label> labels;
    // The same by index, for readers without the mutex.
    std::array<std::atomic<const Label*>, labels_max> label_of{};
    std::map<SeriesKey, CounterSeries> counters;
    Counter spare_counter;  // of all above series_max
    std::map<SeriesKey, HistogramSeries> histograms;
    Histogram spare_histogram;
    Counter labels_overflow;

    // Held while gauges are called, so apart from the above, which gauges may use.
    std::mutex gauges_mutex;
    std::map<SeriesKey, GaugeSeries> gauges;
};

}  // namespace loadstone::telemetry
