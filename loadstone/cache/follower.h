#pragma once
// Follower: what of loadstone_changes this process has seen, as versions of tags.
//
// 1. A poll reads, in one statement of one snapshot, the rows that the snapshot of the poll before
//    did not show. So no row is missed and none is read twice, in whatever order transactions
//    commit. Polls follow one another; who asks while one is under way waits for the next, together
//    with all others that do, and all of them are told at once.
// 2. A poll that found something makes a new epoch, and gives it to the tags that it found. What a
//    computation reads after it has taken down `now()` shows all that has that epoch or an older
//    one; so its result is valid as long as none of its tags has a newer one.
// 3. Versions stand in a table of fixed size: tags that share a place are invalid together.
// 4. Where the database can tell that nobody has committed (store::CommitVersion), no poll is
//    needed for what is known already. Where it cannot, polls are store::Moments: a session that
//    says what it had seen needs none that began before.
// 5. A history that ends (failover), or a pause in which rows may have been pruned, makes all that
//    there was invalid.

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loadstone/cache/tags.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/store/commit_version.h"
#include "loadstone/store/database.h"
#include "loadstone/store/moments.h"

namespace loadstone::cache {

struct FollowerOptions {
    std::size_t versions = 1 << 16;        // places of 8 bytes; a power of two
    std::size_t waiters_max = 4'096;       // for polls, who ask included; beyond: unavailable
    std::chrono::seconds kept{600};        // rows, at least
    std::chrono::seconds silent_max{300};  // between two polls
    // Told how long each question took that the database was asked in a statement of its own; one
    // at a time, on any loop.
    std::function<void(std::chrono::nanoseconds)> answered;
};

class Follower {
public:
    using Clock = std::chrono::steady_clock;
    // A moment: what has this epoch or an older one is seen by reads that begin now and see at
    // least `position`.
    struct Now {
        std::uint64_t epoch = 0;
        runtime::Position position;
        // The snapshot that those reads show at least, for other nodes.
        std::string history, state;
        // Where the first poll of the epoch was: reads of others that see that much see the epoch.
        runtime::Position begun_at{};
    };

    Follower(store::Database& database, const FollowerOptions& options,
             telemetry::Registry& registry);

    // Whether the database must be asked even though nobody has committed.
    bool must_ask() const noexcept { return commits_ == nullptr; }
    bool has_moments() const noexcept { return moments_ != nullptr; }
    // Whether all that was committed before the call is surely known here, without asking: nobody
    // has committed since the last poll began. From a loop.
    bool is_current();
    // Asks. Back when all that was committed before the call is known here. Errors: of the
    // database.
    Task<void> catch_up(Context& context);
    // Whether what was committed at `position` is surely known here, without asking. Of moments:
    // whether what was seen then is, and what this process has written.
    bool has_reached(runtime::Position position) const;
    // catch_up(), after which what the session had seen is known here: what another process's
    // moment stood for becomes one of this process, or a position.
    Task<void> settle(Context& context);
    // What its reader has seen: an entry of this process, or of another one and read just now.
    void saw(runtime::Reading& reading, runtime::Position seen) const;
    // Of what has just been read, with the position that was told with it.
    runtime::Position seen_now(runtime::Position position) const;
    // When all that had been committed was surely known here, last.
    Clock::time_point followed_at() const;
    Now now() const;
    // That of now.
    std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
    // What was committed since, and the epoch of what shows all of it.
    struct Changes {
        std::uint64_t epoch = 0;
        Tags tags{};  // in order

        bool touch(std::span<const Tag> other) const noexcept;
    };
    // Since the snapshot `state`, some minutes ago at most; nothing if it is of another history, or
    // all may have changed. One statement, after a poll.
    Task<std::optional<Changes>> changes_since(Context& caller, std::string history,
                                               std::string state);
    // Of what another node has read, which depends on `tags` and shows at least the snapshot
    // `state`, some minutes ago at most: the epoch that it has here. Nothing if it is no longer
    // true. One statement, for all that was committed since.
    Task<std::optional<std::uint64_t>> epoch_of(Context& caller, std::string history,
                                                std::string state, Tags tags);
    // Whether nothing that the tags stand for is newer than `epoch`.
    bool is_unchanged(std::span<const Tag> tags, std::uint64_t epoch) const noexcept;
    // Deletes the rows that all who follow have seen. Every minute or so.
    Task<void> prune(Context& context);

private:
    // One poll, and who waits for it.
    struct Question;

    Task<void> ask(Context& context, std::shared_ptr<Question> question);
    Task<void> poll(Context& caller);
    void note_shown(runtime::Position before, const std::string& state, std::int64_t running);
    // Gives the tags a new epoch, which the caller makes that of now.
    std::uint64_t take(const std::vector<std::string>& changes);
    std::size_t place(Tag tag) const noexcept { return tag & (versions_.size() - 1); }

    store::Database& database_;
    store::CommitVersion* const commits_;  // null: it must be asked
    store::Moments* const moments_;        // null: it tells positions, or commits_
    const FollowerOptions options_;
    telemetry::Counter &polls_, &changes_, &restarts_, &pruned_;
    runtime::Semaphore turn_;

    std::vector<std::atomic<std::uint64_t>> versions_;
    std::atomic<std::uint64_t> epoch_{1}, floor_{1};  // older than the floor: invalid

    // Of who has the turn.
    std::string state_, history_;
    bool has_begun_ = false;

    // All commits up to `before` are shown by a snapshot in which each transaction before `next`
    // has ended.
    struct Unsure {
        runtime::Position before;
        std::uint64_t next;
    };

    mutable std::mutex mutex_;    // of what is below
    runtime::Position seen_;      // where the server was after the last snapshot
    runtime::Position begun_at_;  // the same, when the epoch was made
    runtime::Position reached_;   // all that was committed, or seen, up to here is known
    std::deque<Unsure> unsure_;   // oldest first
    Clock::time_point polled_at_{}, followed_at_{};
    std::optional<store::CommitVersion::Version> commit_version_;  // before the last snapshot
    std::shared_ptr<Question> next_;                               // has not begun
    std::size_t waiting_ = 0;
    std::string now_history_, now_state_;
    std::deque<std::pair<Clock::time_point, std::string>> states_;  // one a minute
};

}  // namespace loadstone::cache
