#pragma once
// Cache: the entries of all views of a process. See view.h for its use, follower.h for what makes
// an entry invalid, docs/internals/cache.md for why no answer is older than asked for.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/base/function_ref.h"
#include "loadstone/base/random.h"
#include "loadstone/cache/fills.h"
#include "loadstone/cache/folding.h"
#include "loadstone/cache/follower.h"
#include "loadstone/cache/internal/eviction.h"
#include "loadstone/cache/internal/recomputations.h"
#include "loadstone/cache/internal/unshown_changes.h"
#include "loadstone/cache/recording.h"
#include "loadstone/cache/sources.h"
#include "loadstone/cache/tags.h"
#include "loadstone/runtime/event.h"

namespace loadstone::cache {

namespace internal {
struct WarmAnswers;
}

struct CacheOptions {
    std::uint64_t bytes_max = 64 << 20;  // of answers and what belongs to them
    std::size_t tags_max = 1'024;        // of an entry; with more it is not kept
    // So that many entries that become invalid together do not take the database and the loops from
    // all others. Without replicas their reads have connections of their own, too.
    internal::RecomputationOptions computations;
    // PostgreSQL: a read that need not be newer is answered from what was known so long ago. 0:
    // each asks. (SQLite tells without being asked that nobody has committed.)
    std::chrono::milliseconds follow_every{100};
    // PostgreSQL: the same while views are computed, if it is less. How long the questions take is
    // what decides how many may be computed at once, eight of them each time: rarer ones decide
    // later, more frequent ones cost the database more.
    std::chrono::milliseconds measure_every{5};
    // Whether sessions carry positions of replicas. Without replicas they carry store::Moments.
    bool has_positions = false;
    FollowerOptions follower;
    // Whether other nodes use the database, so that a view may be computed once for all of them.
    bool has_other_nodes = false;
    FillOptions fills;
    // Of a key of an aggregate, on PostgreSQL: transactions of so many connections change it at
    // once without waiting for each other. A read of the key reads them all.
    std::int64_t aggregate_shards = 16;
    // How often what was added to ranked sums becomes part of the ranks, on PostgreSQL: who reads
    // them adds up what was added since.
    std::chrono::milliseconds fold_every{500};
};

// JSON, and a validator for HTTP: the same for the same text on every node.
struct Answer {
    std::shared_ptr<const std::string> json;
    std::string etag;  // with its quotes
};

struct Asked {
    std::string_view view;
    std::string_view key;
    std::chrono::milliseconds fresh_for{0};
    std::chrono::milliseconds stale_for{0};
    bool once_in_cluster = false;
};
using Compute = FunctionRef<Task<std::string>(Reader)>;

class Cache {
public:
    // The database must outlive it.
    Cache(const CacheOptions& options, const Sources& sources, store::Database& database,
          telemetry::Registry& registry);
    ~Cache();
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

    // What the application is to write through.
    store::Database& database() noexcept { return database_; }
    Follower& follower() noexcept { return follower_; }
    Folding& folding() noexcept { return folding_; }
    // Asks the database what has changed if nothing is computed: how long that takes is what it is
    // compared with while views are. Every few seconds; where that is not needed it does nothing.
    Task<void> measure(Context& context);
    // Deletes what no node needs any more. Every minute or so.
    Task<void> prune(Context& context);

    // Before the database stops: what is true goes into a file at `path`, for the process that
    // starts in this one's place. Writes to the database. Errors: of the database; unavailable for
    // the file.
    Task<void> save(Context& context, std::string path);
    // What of it is still true, if it was written by this program since the machine was started, a
    // few minutes ago at most, and the database tells all that was written since. Else, or if it
    // is damaged, it is left, with a line in the log. The file is removed.
    Task<void> load(Context& context, std::string path);

    Task<Answer> get(Context& context, const Asked& asked, Compute compute);

private:
    struct Entry;
    struct Flight;
    struct Metrics;
    using EntryPtr = std::shared_ptr<const Entry>;
    using Since = std::chrono::steady_clock::time_point;

    using Unsure = internal::UnshownChanges::Unsure;
    using Touch = internal::UnshownChanges::Touch;

    // What an entry must be to be given.
    struct Owed {
        std::uint64_t hash;
        // One that was made since then shows all that polls found. 0: the position is all.
        std::uint64_t epoch;
        runtime::Position position;  // of who has seen what no poll shows
        Since waits_since;
        bool is_untold = false;  // nobody can tell what has changed: kept for a moment
    };
    struct Look {
        EntryPtr entry{};  // true still; with a flight: to be computed before its end
        std::shared_ptr<Flight> flight{};
        bool is_mine = false;
    };
    struct Given {
        EntryPtr entry;
        bool is_hit = false;
        bool is_certain = false;  // by reads of this session, or said to be stale
    };

    bool is_fresh(Context& context);
    // Nothing: what the session has seen is surely known here now.
    Task<std::optional<Unsure>> settle(Context& context);
    Look look_for(const Asked& asked, const Owed& owed);
    bool can_do_untold(Context& context, const Error& error) const;
    Task<Answer> get_untold(Context& context, const Asked& asked, Compute compute);
    Task<Given> give(Context& context, const Asked& asked, Compute compute, Owed owed, Look look);
    EntryPtr find(std::uint64_t hash, const Asked& asked, EntryPtr& untrue);
    bool is_valid(const Entry& entry, const Asked& asked);
    bool is_due_early(const Entry& entry, const Asked& asked);
    Task<EntryPtr> fill(Context& context, const Asked& asked, Compute compute, const Owed& owed);
    Task<EntryPtr> fill_for_all(Context& context, const Asked& asked, Compute compute,
                                const Owed& owed);
    static std::optional<std::chrono::nanoseconds> stale_age(const EntryPtr& untrue,
                                                             const Asked& asked);
    Task<EntryPtr> compute_once(Context& context, const Asked& asked, Compute compute,
                                const Owed& owed);
    void keep(std::uint64_t hash, EntryPtr entry);
    std::size_t take(const internal::WarmAnswers& found, const Follower::Changes& changes);
    Answer answer_of(const Entry& entry, Context& context) const;

    const CacheOptions options_;
    const TagRules rules_;
    const std::vector<const Aggregate*> aggregates_;
    Folding folding_;
    RecordingDatabase database_;
    store::Database& reads_;
    // So that no other read waits behind a computation's. On replicas heavy reads would not turn to
    // the primary, which a view may have to be read on. SQLite sees by itself to those that are
    // long, and a short one costs less in its place than handed to another thread.
    const bool has_own_connections_;
    internal::Recomputations computations_;
    Follower follower_;
    internal::UnshownChanges unshown_;
    std::unique_ptr<Fills> fills_;  // null: no other nodes
    telemetry::Registry& registry_;
    std::unique_ptr<Metrics> metrics_;

    mutable std::mutex mutex_;  // of what is below
    std::unordered_map<std::uint64_t, EntryPtr> entries_;
    internal::Eviction eviction_;
    Random random_;
    std::unordered_map<std::uint64_t, std::shared_ptr<Flight>> flights_;
};

// Of the module "loadstone_cache".
std::span<const store::Migration> migrations();

// Of the context's Cache; computed for itself where there is none.
Task<Answer> answer_of(Context& context, const Asked& asked, Compute compute);

}  // namespace loadstone::cache
