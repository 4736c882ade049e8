#pragma once
// UnshownChanges: what servers show that the polls of the primary do not show yet. A replica shows
// a commit when it has replayed it, and the primary when its transaction has ended. Asked for by
// sessions that have seen more than a poll surely shows.
//
// 1. A question asks one server at a position for all changes that a poll did not show. The answer
//    of a replica that is there does for each view and each session that has seen no more, as long
//    as polls find no change. It is kept until there is another such answer.
// 2. Of those questions there is one at a time. Who needs another answer waits for the next one,
//    together with all others that do; it is asked at the furthest of their positions.
// 3. If no replica was surely at that position, the answer does for who has seen just that. Others
//    ask at their own.
// 4. A position beyond the poll's, or of another history, may have been made up: nobody else waits
//    for what is asked at it.

#include <cstdint>
#include <memory>
#include <mutex>

#include "loadstone/cache/follower.h"
#include "loadstone/cache/tags.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/store/database.h"

namespace loadstone::cache::internal {

class UnshownChanges {
public:
    // The database must outlive it. `kept`: what a replica may be behind that is asked for lack of
    // others; what polls did not show is there for so long.
    UnshownChanges(store::Database& database, std::chrono::seconds kept,
                   telemetry::Registry& registry);

    // What a session has seen, of which the poll `shown` may not show all.
    struct Unsure {
        runtime::Position seen;
        Follower::Now shown;
    };
    enum class Touch : std::uint8_t {
        none,     // also where nobody can tell, which is counted
        soon,     // a poll that begins now shows it: the primary has told
        unshown,  // a replica shows it
    };
    // Whether one of them is of the tags; also where all may have changed: of a server of another
    // history, or of too many changes. Errors: of the database, but for unavailable.
    Task<Touch> touch(Context& context, Unsure unsure, Tags tags);

private:
    struct Told;
    struct Question;

    Task<std::shared_ptr<const Told>> shared(Context& context, const Unsure& unsure);
    Task<void> take_turn(Context& context, std::shared_ptr<Question> question);
    Task<std::shared_ptr<const Told>> ask(Context& caller, Unsure unsure);

    store::Database& database_;
    const std::chrono::seconds kept_;
    telemetry::Counter &questions_, &untold_;
    runtime::Semaphore turn_;

    std::mutex mutex_;                          // of what is below
    std::shared_ptr<const Question> answered_;  // the last that does for others too
    std::shared_ptr<Question> asked_;           // has begun
    std::shared_ptr<Question> next_;            // has not
};

}  // namespace loadstone::cache::internal
