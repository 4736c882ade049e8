#include "loadstone/server/internal/metric_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace loadstone::server::internal {

namespace {

using Prefixes = std::span<const std::string_view>;

std::string_view prefix_of(std::string_view name, Prefixes prefixes) {
    for (const std::string_view prefix : prefixes) {
        if (name.starts_with(prefix)) return prefix;
    }
    return {};
}

// "loadstone_store_replica_reads_total" is "reads".
std::string_view column_of(std::string_view name, Prefixes prefixes) {
    name.remove_prefix(prefix_of(name, prefixes).size());
    if (name.ends_with("_total")) name.remove_suffix(std::string_view("_total").size());
    return name;
}

// `module="accounts",direction="read"` is "accounts read".
std::string row_of(std::string_view labels) {
    std::string row;
    bool is_value = false;
    for (const char c : labels) {
        if (c == '"') {
            is_value = !is_value;
        } else if (is_value) {
            row += c;
        } else if (c == ',') {
            row += ' ';
        }
    }
    return row;
}

// Labels of the same names have a table of their own.
std::string names_of(std::string_view labels) {
    std::string names;
    bool is_value = false;
    for (const char c : labels) {
        if (c == '"') is_value = !is_value;
        if (!is_value && c != '"' && c != '=') names += c == ',' ? ' ' : c;
    }
    return names;
}

struct Table {
    std::vector<std::string> columns;
    std::map<std::string, std::map<std::string, std::string>> rows;
};

std::string text_of(const std::string& names, const Table& table) {
    std::size_t first = names.size();
    for (const auto& [row, values] : table.rows) first = std::max(first, row.size());
    const auto width = [&table](const std::string& column) {
        std::size_t widest = column.size();
        for (const auto& [row, values] : table.rows) {
            const auto value = values.find(column);
            if (value != values.end()) widest = std::max(widest, value->second.size());
        }
        return widest;
    };
    std::string text = fmt::format("  {:<{}}", names, first);
    for (const std::string& column : table.columns)
        text += fmt::format("  {:>{}}", column, width(column));
    text += '\n';
    for (const auto& [row, values] : table.rows) {
        text += fmt::format("  {:<{}}", row, first);
        for (const std::string& column : table.columns) {
            const auto value = values.find(column);
            text +=
                fmt::format("  {:>{}}", value == values.end() ? "-" : value->second, width(column));
        }
        text += '\n';
    }
    return text;
}

std::string text_of(std::span<const ServerMetric> metrics, Prefixes prefixes) {
    std::string plain;
    std::map<std::string, Table> tables;  // by the names of the labels
    for (const ServerMetric& metric : metrics) {
        const std::string column(column_of(metric.name, prefixes));
        if (metric.labels.empty()) {
            plain += fmt::format("{}{} {}", plain.empty() ? "  " : ", ", column, metric.value);
            continue;
        }
        Table& table = tables[names_of(metric.labels)];
        if (std::ranges::find(table.columns, column) == table.columns.end())
            table.columns.push_back(column);
        table.rows[row_of(metric.labels)][column] = metric.value;
    }
    if (!plain.empty()) plain += '\n';
    for (const auto& [names, table] : tables) plain += text_of(names, table);
    return plain;
}

}  // namespace

std::vector<ServerMetric> metrics_in(const std::string& process, std::string_view text,
                                     Prefixes prefixes) {
    std::vector<ServerMetric> metrics;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const auto value = line.rfind(' ');
        if (value == std::string_view::npos || prefix_of(line, prefixes).empty()) continue;
        ServerMetric metric{.process = process, .value = std::string(line.substr(value + 1))};
        const std::string_view what = line.substr(0, value);
        const auto brace = what.find('{');
        metric.name = what.substr(0, brace);
        if (brace != std::string_view::npos)
            metric.labels = what.substr(brace + 1, what.size() - brace - 2);
        metrics.push_back(std::move(metric));
    }
    return metrics;
}

std::string table_of(std::span<const ServerMetric> metrics, Prefixes prefixes) {
    std::string text;
    while (!metrics.empty()) {
        const std::string& process = metrics.front().process;
        const auto next = std::ranges::find_if(
            metrics, [&](const ServerMetric& metric) { return metric.process != process; });
        const auto count = static_cast<std::size_t>(next - metrics.begin());
        text += fmt::format("process {}\n{}", process, text_of(metrics.first(count), prefixes));
        metrics = metrics.subspan(count);
    }
    return text;
}

}  // namespace loadstone::server::internal
