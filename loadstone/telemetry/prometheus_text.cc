#include "loadstone/telemetry/internal/prometheus_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {
namespace {

struct Bound {
    std::string_view le;
    std::uint64_t ns;
};

constexpr std::array<Bound, 14> bounds{{{"0.0005", 500'000},
                                        {"0.001", 1'000'000},
                                        {"0.0025", 2'500'000},
                                        {"0.005", 5'000'000},
                                        {"0.01", 10'000'000},
                                        {"0.025", 25'000'000},
                                        {"0.05", 50'000'000},
                                        {"0.1", 100'000'000},
                                        {"0.25", 250'000'000},
                                        {"0.5", 500'000'000},
                                        {"1", 1'000'000'000},
                                        {"2.5", 2'500'000'000},
                                        {"5", 5'000'000'000},
                                        {"10", 10'000'000'000}}};

bool is_name_start(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name_char(char c) noexcept { return is_name_start(c) || (c >= '0' && c <= '9'); }

void append_escaped(std::string& out, std::string_view text, bool quotes) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

// Takes one name="value" from the front.
bool take_label(std::string_view& text) noexcept {
    std::size_t at = 0;
    if (text.empty() || !is_name_start(text[0])) return false;
    while (at < text.size() && is_name_char(text[at])) ++at;
    if (text.substr(at, 2) != "=\"") return false;
    at += 2;
    while (at < text.size() && text[at] != '"') {
        if (text[at] == '\n') return false;
        if (text[at] == '\\') {
            ++at;
            if (at == text.size() || std::string_view("\\\"n").find(text[at]) == text.npos)
                return false;
        }
        ++at;
    }
    if (at == text.size()) return false;
    text.remove_prefix(at + 1);
    return true;
}

}  // namespace

bool is_metric_name(std::string_view text) noexcept {
    if (text.empty() || (!is_name_start(text[0]) && text[0] != ':')) return false;
    for (const char c : text) {
        if (!is_name_char(c) && c != ':') return false;
    }
    return true;
}

bool is_label_list(std::string_view text) noexcept {
    if (text.empty()) return true;
    while (take_label(text)) {
        if (text.empty()) return true;
        if (text[0] != ',') return false;
        text.remove_prefix(1);
    }
    return false;
}

std::string metric_label(std::string_view name, std::string_view value) {
    std::string label(name);
    label += "=\"";
    append_escaped(label, value, true);
    label += '"';
    return label;
}

void PrometheusText::family(std::string_view name, std::string_view type, std::string_view help) {
    text_.append("# HELP ").append(name).append(" ");
    append_escaped(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusText::sample(std::string_view name, std::string_view labels, double value) {
    if (std::isnan(value)) {
        line(name, "", labels, "", "NaN");
    } else if (std::isinf(value)) {
        line(name, "", labels, "", value > 0 ? "+Inf" : "-Inf");
    } else {
        line(name, "", labels, "", fmt::format("{}", value));
    }
}

void PrometheusText::sample(std::string_view name, std::string_view labels, std::uint64_t value) {
    line(name, "", labels, "", fmt::format_int(value).str());
}

void PrometheusText::histogram(std::string_view name, std::string_view labels,
                               const HistogramCounts& counts) {
    std::uint64_t below = 0;
    std::size_t bucket = 0;
    for (const Bound& bound : bounds) {
        while (bucket < HistogramCounts::buckets &&
               Histogram::bucket_upper_ns(bucket) <= bound.ns) {
            below += counts.counts[bucket++];
        }
        line(name, "_bucket", labels, bound.le, fmt::format_int(below).str());
    }
    const std::string total = fmt::format_int(counts.total).str();
    line(name, "_bucket", labels, "+Inf", total);
    line(name, "_sum", labels, "", fmt::format("{}", static_cast<double>(counts.sum_ns) * 1e-9));
    line(name, "_count", labels, "", total);
}

void PrometheusText::line(std::string_view name, std::string_view suffix, std::string_view labels,
                          std::string_view le, std::string_view value) {
    text_.append(name).append(suffix);
    if (!labels.empty() || !le.empty()) {
        text_.append("{").append(labels);
        if (!labels.empty() && !le.empty()) text_.append(",");
        if (!le.empty()) text_.append("le=\"").append(le).append("\"");
        text_.append("}");
    }
    text_.append(" ").append(value).append("\n");
}

}  // namespace loadstone::telemetry
