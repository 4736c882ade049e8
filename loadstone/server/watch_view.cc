#include "loadstone/server/internal/watch_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "loadstone/base/encoding.h"

namespace loadstone::server::internal {

namespace {

constexpr int width_min = 20;
constexpr int height_min = 4;
constexpr int name_min = 10;
constexpr int name_max = 32;
constexpr int bar_columns = 12;
constexpr std::size_t running_lines_max = 20;  // where there is no terminal

struct Range {
    char32_t first, last;
};
// East Asian wide characters and pictures, as terminals draw them.
constexpr std::array<Range, 9> wide{{{0x1100, 0x115F},
                                     {0x2E80, 0xA4CF},
                                     {0xAC00, 0xD7A3},
                                     {0xF900, 0xFAFF},
                                     {0xFE30, 0xFE6F},
                                     {0xFF00, 0xFF60},
                                     {0xFFE0, 0xFFE6},
                                     {0x1F300, 0x1FAFF},
                                     {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 3> combining{{{0x0300, 0x036F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}}};

bool is_in(char32_t c, std::span<const Range> ranges) {
    return std::ranges::any_of(
        ranges, [c](const Range& range) { return c >= range.first && c <= range.last; });
}

int columns_of_character(char32_t c) {
    if (is_in(c, combining)) return 0;
    return is_in(c, wide) ? 2 : 1;
}

// The next character of valid UTF-8, taken off its front.
char32_t take_character(std::string_view& text, std::size_t& bytes) {
    const auto first = static_cast<unsigned char>(text.front());
    bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    bytes = std::min(bytes, text.size());
    char32_t c = bytes == 1 ? first : first & (0x7FU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i)
        c = (c << 6) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    text.remove_prefix(bytes);
    return c;
}

std::string padded(std::string_view text, int columns) {
    std::string out = fitted(text, columns);
    out.append(static_cast<std::size_t>(std::max(0, columns - columns_of(out))), ' ');
    return out;
}

std::string duration_text(std::int64_t micros) {
    const std::int64_t seconds = std::max<std::int64_t>(micros, 0) / 1'000'000;
    if (seconds < 60) return fmt::format("{:.1f}s", static_cast<double>(micros) / 1e6);
    if (seconds < 3'600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    return fmt::format("{}h{:02}m", seconds / 3'600, seconds / 60 % 60);
}

std::string rate_text(const std::optional<double>& rate) {
    if (!rate) return "-";
    return *rate < 100 ? fmt::format("{:.1f}", *rate) : fmt::format("{:.0f}", *rate);
}

std::string oldest_text(const WatchedQueue& queue) {
    return queue.ready > 0 ? duration_text(queue.oldest_us) : "-";
}

struct Column {
    std::string_view title;
    int columns;  // with the blank before it
    int need;     // what is left out first in a narrow terminal: the lowest
    std::string (*text)(const WatchedQueue&);
};
constexpr std::array<Column, 6> queue_columns{{
    {"READY", 10, 6, [](const WatchedQueue& q) { return fmt::to_string(q.ready); }},
    {"OLDEST", 8, 5, oldest_text},
    {"RUNNING", 8, 4, [](const WatchedQueue& q) { return fmt::to_string(q.running); }},
    {"DONE/S", 9, 3, [](const WatchedQueue& q) { return rate_text(q.done_per_second); }},
    {"RETRYING", 9, 1, [](const WatchedQueue& q) { return fmt::to_string(q.retrying); }},
    {"DEAD", 8, 2, [](const WatchedQueue& q) { return fmt::to_string(q.dead); }},
}};

std::vector<Column> columns_for(int width) {
    std::vector<Column> columns(queue_columns.begin(), queue_columns.end());
    const auto used = [&] {
        int sum = name_min;
        for (const Column& column : columns) sum += column.columns;
        return sum;
    };
    while (!columns.empty() && used() > width)
        columns.erase(std::ranges::min_element(columns, {}, &Column::need));
    return columns;
}

void add_queues(std::vector<std::string>& lines, const WatchLook& look, int width, int most) {
    const std::vector<Column> columns = columns_for(width);
    int left = width;
    for (const Column& column : columns) left -= column.columns;
    const int name = std::clamp(left, std::min(name_min, width), name_max);
    std::string head = padded("QUEUE", name);
    for (const Column& column : columns)
        head += fmt::format("{:>{}}", column.title, column.columns);
    lines.push_back(fitted(head, width));
    const int count = static_cast<int>(look.queues.size());
    const int shown = count <= most ? count : std::max(0, most - 1);
    for (int i = 0; i < shown; ++i) {
        const WatchedQueue& queue = look.queues[static_cast<std::size_t>(i)];
        std::string line = padded(queue.is_paused ? "(paused) " + queue.name : queue.name, name);
        for (const Column& column : columns)
            line += fmt::format("{:>{}}", column.text(queue), column.columns);
        lines.push_back(fitted(line, width));
    }
    if (shown < count && most > 0)
        lines.push_back(fitted(fmt::format("and {} more queues", count - shown), width));
}

std::string bar(double fraction) {
    const double part = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
    const auto full = static_cast<std::size_t>(part * (bar_columns - 2) + 1e-9);
    return "[" + std::string(full, '#') + std::string(bar_columns - 2 - full, '.') + "]" +
           fmt::format("{:>4.0f} %", part * 100);
}

std::string running_line(const jobs::RunningJob& job, int width, int kind) {
    std::string line = fmt::format("{:>8} ", job.id) + padded(job.kind, kind) +
                       fmt::format("{:>8}  ", duration_text(job.runs_us));
    const std::string done = job.fraction ? bar(*job.fraction) : std::string(bar_columns + 6, ' ');
    if (columns_of(line) + columns_of(done) <= width) line += done;
    const int left = width - columns_of(line) - 2;
    if (left > 4 && !job.note.empty()) line += "  " + fitted(job.note, left);
    return fitted(line, width);
}

void add_running(std::vector<std::string>& lines, const WatchLook& look, int width, int most) {
    if (most < 2) return;
    const int kind = std::clamp(width / 3, 8, 36);
    lines.push_back(fitted(fmt::format("{:>8} ", "JOB") + padded("RUNS", kind) +
                               fmt::format("{:>8}  ", "FOR") + "PROGRESS",
                           width));
    --most;
    const int count = static_cast<int>(look.running.size());
    const int shown = count <= most ? count : std::max(0, most - 1);
    for (int i = 0; i < shown; ++i)
        lines.push_back(running_line(look.running[static_cast<std::size_t>(i)], width, kind));
    if (shown < count && most > 0)
        lines.push_back(fitted(fmt::format("{:>8} and {} more", "", count - shown), width));
}

double number_after_labels(std::string_view line) {
    const auto blank = line.rfind(' ');
    return blank == std::string_view::npos
               ? 0
               : std::strtod(std::string(line.substr(blank + 1)).c_str(), nullptr);
}

// The kind that a sample of the family is of; empty if it is of another family.
std::string_view kind_in(std::string_view line, std::string_view family) {
    if (!line.starts_with(family) || !line.substr(family.size()).starts_with("{")) return {};
    constexpr std::string_view label = "job=\"";
    const auto start = line.find(label);
    if (start == std::string_view::npos) return {};
    line.remove_prefix(start + label.size());
    return line.substr(0, line.find('"'));
}

}  // namespace

std::vector<std::string> screen_of(const WatchLook& look, int width, int height) {
    width = std::max(width, width_min);
    height = std::max(height, height_min);
    std::vector<std::string> lines;
    const std::string time = to_rfc3339(look.time).substr(11, 8);
    lines.push_back(fitted(fmt::format("jobs at {} UTC, {} process{} on this machine, q ends", time,
                                       look.processes, look.processes == 1 ? "" : "es"),
                           width));
    lines.push_back(look.trouble.empty() ? "" : fitted(look.trouble, width));
    const auto left = [&] { return height - static_cast<int>(lines.size()); };
    const int queue_lines = static_cast<int>(look.queues.size());
    // Both parts are seen: of a low terminal each gets about half.
    const int half = std::max(1, left() / 2 - 1);
    add_queues(lines, look, width, std::max(half, std::min(queue_lines, left() - 8)));
    if (left() > 2) lines.emplace_back();
    add_running(lines, look, width, left());
    if (static_cast<int>(lines.size()) > height) lines.resize(static_cast<std::size_t>(height));
    return lines;
}

std::vector<std::string> lines_of(const WatchLook& look) {
    std::vector<std::string> lines;
    constexpr int line_max = 400;
    const std::string time = to_rfc3339(look.time).substr(0, 19) + "Z";
    if (!look.trouble.empty()) lines.push_back(fitted(time + "  " + look.trouble, line_max));
    for (const WatchedQueue& queue : look.queues) {
        lines.push_back(fitted(
            fmt::format("{}  queue {}  ready {}  oldest {}  running {}  done/s {}  retrying {}  "
                        "dead {}{}",
                        time, queue.name, queue.ready, oldest_text(queue), queue.running,
                        rate_text(queue.done_per_second), queue.retrying, queue.dead,
                        queue.is_paused ? "  paused" : ""),
            line_max));
    }
    for (std::size_t i = 0; i < std::min(look.running.size(), running_lines_max); ++i) {
        const jobs::RunningJob& job = look.running[i];
        lines.push_back(
            fitted(fmt::format("{}  job {}  {}  for {}{}{}{}", time, job.id, job.kind,
                               duration_text(job.runs_us),
                               job.fraction ? fmt::format("  {:.0f} %", *job.fraction * 100) : "",
                               job.note.empty() ? "" : "  ", job.note),
                   line_max));
    }
    return lines;
}

int columns_of(std::string_view utf8) {
    int columns = 0;
    std::size_t bytes = 0;
    while (!utf8.empty()) columns += columns_of_character(take_character(utf8, bytes));
    return columns;
}

std::string fitted(std::string_view text, int columns) {
    std::string safe = printable(text);
    std::ranges::replace(safe, '\n', ' ');
    std::ranges::replace(safe, '\t', ' ');
    if (columns_of(safe) <= columns) return safe;
    std::string_view rest = safe;
    std::string out;
    int used = 0;
    while (!rest.empty()) {
        const std::string_view before = rest;
        std::size_t bytes = 0;
        used += columns_of_character(take_character(rest, bytes));
        if (used > columns - 1) break;
        out += before.substr(0, bytes);
    }
    return columns > 0 ? out + "…" : "";
}

std::map<std::string, double> done_by_kind(std::string_view prometheus) {
    std::map<std::string, double> done;
    while (!prometheus.empty()) {
        const std::string_view line = prometheus.substr(0, prometheus.find('\n'));
        prometheus.remove_prefix(std::min(prometheus.size(), line.size() + 1));
        if (const auto kind = kind_in(line, "loadstone_jobs_total"); !kind.empty())
            done[std::string(kind)] += number_after_labels(line);
        if (const auto kind = kind_in(line, "loadstone_job_failures_total"); !kind.empty())
            done[std::string(kind)] -= number_after_labels(line);
    }
    return done;
}

}  // namespace loadstone::server::internal
