#include "loadstone/telemetry/registry.h"

#include <algorithm>
#include <chrono>

#include "loadstone/base/assert.h"
#include "loadstone/telemetry/internal/prometheus_text.h"
#include "loadstone/telemetry/internal/registry_state.h"

namespace loadstone::telemetry {

Registry::Registry(bool recording, std::size_t statements_max)
    : state_(std::make_unique<State>(recording, statements_max)) {
    ns_per_tsc();  // measures now what would delay the first record
    add_label(LabelKind::other, "other", "");
}

Registry::~Registry() = default;

LabelIndex Registry::add_label(LabelKind kind, std::string_view name, std::string_view module) {
    const std::lock_guard lock(state_->mutex);
    auto& labels = state_->labels;
    std::pair key{kind, std::string(name)};
    if (const auto known = state_->indices.find(key); known != state_->indices.end()) {
        return known->second;
    }
    if (labels.size() == labels_max) {
        state_->labels_overflow.add();
        return 0;
    }
    const auto index = static_cast<LabelIndex>(labels.size());
    labels.push_back({kind, key.second, std::string(module)});
    state_->label_of[index].store(&labels.back(), std::memory_order_release);
    state_->indices.emplace(std::move(key), index);
    return index;
}

const char* Registry::name_of(LabelIndex label) const noexcept {
    const Label* found =
        label < labels_max ? state_->label_of[label].load(std::memory_order_acquire) : nullptr;
    return found != nullptr ? found->name.c_str() : "other";
}

Counter& Registry::counter(std::string_view name, std::string_view labels, std::string_view help) {
    LOADSTONE_ASSERT(is_metric_name(name) && name.ends_with("_total"),
                     "a counter is named as Prometheus demands and ends in _total");
    LOADSTONE_ASSERT(is_label_list(labels), "labels are a comma-separated list of name=\"value\"");
    const std::lock_guard lock(state_->mutex);
    SeriesKey key{name, labels};
    if (const auto known = state_->counters.find(key); known != state_->counters.end()) {
        return known->second.counter;
    }
    if (state_->counters.size() == series_max) {
        state_->labels_overflow.add();
        return state_->spare_counter;
    }
    CounterSeries& series = state_->counters[std::move(key)];
    series.help = help;
    return series.counter;
}

Histogram& Registry::histogram(std::string_view name, std::string_view labels,
                               std::string_view help) {
    LOADSTONE_ASSERT(is_metric_name(name) && name.ends_with("_seconds"),
                     "a histogram is named as Prometheus demands and ends in _seconds");
    LOADSTONE_ASSERT(is_label_list(labels), "labels are a comma-separated list of name=\"value\"");
    const std::lock_guard lock(state_->mutex);
    SeriesKey key{name, labels};
    if (const auto known = state_->histograms.find(key); known != state_->histograms.end())
        return known->second.histogram;
    if (state_->histograms.size() == series_max) {
        state_->labels_overflow.add();
        return state_->spare_histogram;
    }
    HistogramSeries& series = state_->histograms[std::move(key)];
    series.help = help;
    return series.histogram;
}

void Registry::gauge(const void* owner, std::string_view name, std::string_view labels,
                     std::string_view help, std::function<double()> read) {
    LOADSTONE_ASSERT(is_metric_name(name) && !name.ends_with("_total"),
                     "a gauge is named as Prometheus demands and does not end in _total");
    LOADSTONE_ASSERT(is_label_list(labels), "labels are a comma-separated list of name=\"value\"");
    const std::lock_guard lock(state_->gauges_mutex);
    SeriesKey key{name, labels};
    const bool known = state_->gauges.contains(key);
    if (!known && state_->gauges.size() == series_max) {
        state_->labels_overflow.add();
        return;
    }
    state_->gauges[std::move(key)] = {owner, std::string(help), std::move(read)};
}

void Registry::remove_gauges(const void* owner) {
    const std::lock_guard lock(state_->gauges_mutex);
    std::erase_if(state_->gauges,
                  [owner](const auto& entry) { return entry.second.owner == owner; });
}

Shard& Registry::shard() { return state_->shards->of_this_thread(); }

Snapshot Registry::snapshot() const {
    Snapshot snapshot;
    snapshot.taken_ns = static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
    {
        const std::lock_guard lock(state_->mutex);
        snapshot.labels.assign(state_->labels.begin(), state_->labels.end());
    }
    snapshot.activities.resize(snapshot.labels.size());
    snapshot.queries.resize(snapshot.labels.size());
    for (const Shard* shard : state_->shards->all()) shard->add_to(snapshot);
    for (ActivityTotals& totals : snapshot.activities) {
        std::sort(totals.queries.begin(), totals.queries.end(),
                  [](const QueryUse& a, const QueryUse& b) { return a.ns > b.ns; });
    }
    return snapshot;
}

std::vector<StatementTotals> Registry::statements() const {
    std::vector<StatementTotals> totals;
    for (const Shard* shard : state_->shards->all()) shard->statements_.add_to(totals);
    return totals;
}

}  // namespace loadstone::telemetry
