#pragma once
// Extra: what most jobs have nothing of; stored as JSON beside the job, or as an empty text.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/json.h"

namespace loadstone::jobs::internal {

struct Extra {
    std::int64_t expires_after = 0;  // microseconds after it was enqueued; 0: never
    std::string unique;              // its key in loadstone_unique
    bool gives_unique_back = false;
    std::vector<std::int64_t> next;  // blocked jobs that wait for it
    std::string name;                // in its workflow
    // Limits of which it has a place: to be given back when it has run, or, of those in order, when
    // it has ended.
    std::vector<std::string> holds, keeps;
    std::string partition;  // where it stood, while it keeps a place
    bool is_noted = false;  // steps, progress or results of it are stored
    int version = 1;        // of its arguments
    // The last job of its workflow, or what ends its batch; that one itself, and others, have 0.
    // It is written last: whom a workflow has is found by this text (admin.cc).
    std::int64_t workflow = 0;

    friend bool operator==(const Extra&, const Extra&) = default;
};
BOOST_DESCRIBE_STRUCT(Extra, (),
                      (expires_after, unique, gives_unique_back, next, name, holds, keeps,
                       partition, is_noted, version, workflow))

inline Extra extra_of(const std::string& text) {
    return text.empty() ? Extra{} : value_or_throw(from_json<Extra>(text, stored_json));
}

// Of one that cannot be read nothing is known; it is buried before it runs.
inline Extra readable_extra_of(const std::string& text) {
    auto extra = text.empty() ? Result<Extra>(Extra{}) : from_json<Extra>(text, stored_json);
    return extra ? std::move(*extra) : Extra{};
}
inline bool is_readable_extra(const std::string& text) {
    return text.empty() || from_json<Extra>(text, stored_json).has_value();
}
inline constexpr const char* unreadable_extra =
    "data_loss: what it holds and whom it concerns cannot be read";

// Short: it is written and read for each job under a limit.
inline std::string to_text(const Extra& extra) {
    std::string text;
    if (extra != Extra{}) append_json_changes(text, extra);
    return text;
}

// As loadstone.enqueue writes it, to the byte.
inline std::string to_text_of_new_job(const Extra& extra) {
    return extra == Extra{} ? std::string() : to_json(extra);
}

}  // namespace loadstone::jobs::internal
