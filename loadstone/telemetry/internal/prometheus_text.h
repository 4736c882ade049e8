#pragma once
// Prometheus text exposition format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "loadstone/telemetry/histogram.h"

namespace loadstone::telemetry {

bool is_metric_name(std::string_view text) noexcept;
// Empty, or name="value" with commas between and \\, \" and \n escaped.
bool is_label_list(std::string_view text) noexcept;

class PrometheusText {
public:
    // Once before the samples of a family. `type` is counter, gauge or histogram.
    void family(std::string_view name, std::string_view type, std::string_view help);
    void sample(std::string_view name, std::string_view labels, double value);
    void sample(std::string_view name, std::string_view labels, std::uint64_t value);
    // The buckets, sum and count of one series, in seconds. A bucket counts what surely lies below
    // its bound: observations whose own bucket straddles it (12.5 % wide) go to the next.
    void histogram(std::string_view name, std::string_view labels, const HistogramCounts& counts);

    std::string take() && { return std::move(text_); }

private:
    void line(std::string_view name, std::string_view suffix, std::string_view labels,
              std::string_view le, std::string_view value);

    std::string text_;
};

}  // namespace loadstone::telemetry
