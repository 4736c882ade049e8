#pragma once
// A computation under way, and what is counted of reads.

#include <fmt/core.h>

#include <exception>
#include <string_view>

#include "loadstone/cache/cache.h"

namespace loadstone::cache {

struct Cache::Flight {
    runtime::Event ended;
    Since waits_since;           // who computes
    EntryPtr untrue;             // what there was before, if it may still be given
    EntryPtr entry;              // null: it failed
    std::exception_ptr failure;  // null: who computed was cancelled, or late
    runtime::Position seen;      // by who failed
};

struct Cache::Metrics {
    explicit Metrics(telemetry::Registry& registry)
        : hits(counter(registry, "hits", "Reads of views that an entry answered")),
          misses(counter(registry, "misses", "Reads of views that computed")),
          waits(counter(registry, "waits", "Reads of views that waited for another's computation")),
          invalid(counter(registry, "invalid", "Entries that were found to be no longer true")),
          alone(counter(registry, "alone", "Computations that nobody else could use")),
          evictions(counter(registry, "evictions", "Entries that made room for others")),
          unshared(counter(registry, "unshared",
                           "Computations of which other nodes could not be asked")),
          stale(counter(registry, "stale", "Reads of views that were given what was true before")),
          too_large(counter(registry, "too_large", "Answers that were not kept for their size")),
          measurements(counter(registry, "measurements",
                               "Reads of views that asked only to measure what computations do to "
                               "others")),
          early(counter(registry, "early", "Computations begun before the time was over")),
          ahead(
              counter(registry, "ahead", "Reads of views that had to show what no poll shows yet")),
          untold(counter(registry, "untold",
                         "Reads of views while the database could not be asked what has changed")) {
    }
    static telemetry::Counter& counter(telemetry::Registry& registry, std::string_view name,
                                       std::string_view help) {
        return registry.counter(fmt::format("loadstone_cache_{}_total", name), "", help);
    }
    telemetry::Counter &hits, &misses, &waits, &invalid, &alone, &evictions, &unshared, &stale,
        &too_large, &measurements, &early, &ahead, &untold;
};

}  // namespace loadstone::cache
