#pragma once
// Fills: computations of views that one node makes for all that share a database
// (View::once_in_cluster). Who needs one takes a lease on it: a row of loadstone_fills. The others
// wait, and read the answer from that row.
//
// 1. A lease is identified by its holder, a random text of one computation: nobody ends or takes a
//    lease of which it has not seen the holder.
// 2. The database's clock says when a lease is over. Then another computes: twice, and right.
// 3. An answer carries the snapshot that it shows at least. A node that takes it looks for what was
//    committed since (Follower::epoch_of), and then treats it as its own: whether it is valid is
//    looked at when it is read (docs/internals/cache.md).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/cache/follower.h"
#include "loadstone/cache/tags.h"
#include "loadstone/store/database.h"

namespace loadstone::cache {

struct FillOptions {
    std::chrono::milliseconds lease{10'000};   // longer than a computation takes
    std::chrono::milliseconds look_every{20};  // of who waits: one of a node for each key
    // Answers, from the end of the lease. Much less than FollowerOptions::kept: what was committed
    // since is looked for.
    std::chrono::milliseconds kept{60'000};
    std::size_t answer_bytes_max = 1 << 20;  // larger ones each node computes for itself
    std::size_t key_bytes_max = 16 << 10;
};

struct SharedAnswer {
    std::string json;
    Tags tags;
    std::uint64_t epoch = 0;  // of this node
    runtime::Position position;
};

class Fills {
public:
    Fills(store::Database& database, Follower& follower, const FillOptions& options,
          telemetry::Registry& registry);

    // Of one computation: either an answer of another node, or the right to compute. Then end() or
    // leave() it.
    struct Begun {
        std::optional<SharedAnswer> answer;
        std::string holder;  // empty: compute, and tell nobody
    };
    // Waits for another node that computes, until the context's deadline; for one: if that tells
    // nothing of use and a third one computes by then, nothing is given. `now` is what this node's
    // computation would show at least.
    Task<Begun> begin(Context& context, std::uint64_t id, std::string_view view,
                      std::string_view key, Follower::Now now);
    Task<void> end(Context& context, std::uint64_t id, std::string holder,
                   const SharedAnswer& answer);
    Task<void> leave(std::uint64_t id, std::string holder, const runtime::Services& services);
    Task<void> prune(Context& context);

private:
    struct Request;
    Task<bool> claim(Context& context, const Request& request, std::string seen);

    store::Database& database_;
    Follower& follower_;
    const FillOptions options_;
    telemetry::Counter &computed_, &shared_, &waited_, &unusable_, &too_large_, &taken_over_;
};

}  // namespace loadstone::cache
