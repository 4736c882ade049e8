#pragma once
// dashboards' own: answers that say how fresh they are, and are not sent again to who has them.

#include <chrono>
#include <string_view>
#include <utility>

#include "loadstone/base/json.h"
#include "loadstone/module/module.h"

namespace campus::dashboards {

// ETag of a body without its times, so that it is the same until something else changes, and
// Loadstone-As-Of, which a 304 has too.
void set_headers(std::vector<std::pair<std::string, std::string>>& headers, std::string_view body,
                 loadstone::Timestamp as_of);

// Rather figures so old, which say so, than none: while the replicas are behind, and the primary,
// which dashboards are kept from, is not.
inline constexpr std::chrono::minutes stale_max{15};

// As of when what was shown holds, if it was read from `as_of` on: earlier by as much as it is
// stale.
loadstone::Timestamp shown_as_of(const loadstone::Context& context, loadstone::Timestamp as_of);

// `body` without its `as_of`, all of which was read from `began` on.
template <class T>
loadstone::Reply<T> fresh(const loadstone::Context& context, T body, loadstone::Timestamp began) {
    const loadstone::Timestamp as_of = shown_as_of(context, began);
    loadstone::Reply<T> reply{std::move(body)};
    set_headers(reply.headers, loadstone::to_json(reply.body), as_of);
    reply.body.as_of = as_of;
    return reply;
}

}  // namespace campus::dashboards
