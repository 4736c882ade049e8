#pragma once
// Entry: an answer as the cache keeps it, with what tells whether it is still true.

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "loadstone/base/sha256.h"
#include "loadstone/cache/cache.h"

namespace loadstone::cache {

namespace internal {

// Of what an entry takes beside its texts.
inline constexpr std::uint64_t entry_overhead = 256;

inline std::uint64_t hash_of(std::string_view view, std::string_view key) {
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
    for (const std::string_view text : {view, key}) {
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3U;
        hash = (hash ^ 0xFF) * 0x100'0000'01B3U;
    }
    return hash ^ (hash >> 29U);
}

inline std::string etag_of(const std::string& json) {
    return fmt::format("\"{}\"", sha256_hex({json}).substr(0, 32));
}

}  // namespace internal

struct Cache::Entry {
    std::string view, key;
    std::shared_ptr<const std::string> json;
    std::string etag;
    Tags tags;
    std::uint64_t epoch = 0;     // what it shows at least
    runtime::Position position;  // what it shows at most
    // What it shows at least too, by itself: of servers that are ahead of polls. Nothing is said
    // where the primary was read, which may be about to show it.
    runtime::Position reached{};
    // It was read where polls were, beyond what who computed it had seen.
    bool was_raised = false;
    // Read where less was known than had been asked for.
    bool is_for_its_reader_alone = false;
    std::chrono::steady_clock::time_point made_at;
    std::chrono::nanoseconds took{0};  // to compute it
    // When it was last known to be true; of views that may be answered with what was.
    mutable std::atomic<std::chrono::steady_clock::time_point> true_at;

    std::uint64_t bytes() const {
        return view.size() + key.size() + json->size() + tags.size() * sizeof(Tag) +
               internal::entry_overhead;
    }
    bool shows(runtime::Position seen) const { return seen <= reached; }
    bool is_of(const Asked& asked) const { return view == asked.view && key == asked.key; }
};

}  // namespace loadstone::cache
