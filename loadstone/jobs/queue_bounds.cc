#include "loadstone/jobs/queue_bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "loadstone/base/error.h"

namespace loadstone::jobs {

namespace {

constexpr std::int64_t bound_max = 1'000'000'000;

QueueBound queue_bound(std::string_view text) {
    const auto equals = text.find('=');
    const std::string_view number = text.substr(std::min(equals, text.size() - 1) + 1);
    QueueBound bound;
    bound.queue = text.substr(0, equals);
    const char* const past = number.data() + number.size();
    const auto [end, error] = std::from_chars(number.data(), past, bound.ready_max);
    if (equals == std::string_view::npos || equals == 0 || error != std::errc() || end != past ||
        bound.ready_max < 1 || bound.ready_max > bound_max)
        throw Error(Errc::invalid_argument,
                    fmt::format("expected QUEUE=N, N from 1 to {}, got \"{}\"", bound_max, text));
    return bound;
}

}  // namespace

std::vector<QueueBound> queue_bounds(std::string_view text) {
    std::vector<QueueBound> bounds;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        bounds.push_back(queue_bound(text.substr(0, comma)));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return bounds;
}

std::string text_of(const std::vector<QueueBound>& bounds) {
    std::string text;
    for (const QueueBound& each : bounds)
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", each.queue, each.ready_max);
    return text;
}

void set_bounds(Declarations& declared, const std::vector<QueueBound>& bounds) {
    for (const QueueBound& each : bounds) {
        bool is_known = false;
        for (const auto& kind : declared.kinds) {
            if (kind->queue != each.queue || kind->bound == 0) continue;
            kind->bound = each.ready_max;
            is_known = true;
        }
        if (!is_known)
            throw Error(
                Errc::invalid_argument,
                fmt::format("jobs.bounds: no kind of a queue {} declares a bound", each.queue));
    }
}

}  // namespace loadstone::jobs
