#pragma once
// Moments: instants of this process as positions, for a database that tells none of its own
// (PostgreSQL without replicas). There every read sees all that was committed before it, so the
// order in time of what this process asks says what a session may have seen: who reads now has seen
// nothing that a question which begins later does not show. Of another process's moments only that
// is known that they are others.
//
// Nothing is told, and no session carries anything, unless follow() was called before the first
// read: by each process of an application that has views.

#include <atomic>
#include <cstdint>
#include <span>

#include "loadstone/base/random.h"
#include "loadstone/runtime/freshness.h"

namespace loadstone::store {

class Moments {
public:
    // This process's are known by 54 random bits: some of the history, and where numbers begin.
    Moments() {
        std::uint64_t random = 0;
        fill_secret(std::as_writable_bytes(std::span(&random, 1)));
        history_ = runtime::first_moments | (static_cast<std::uint32_t>(random) & 0x3FFF'FFFFU);
        first_ = (random >> 40U) << 40U;
        begun_ = first_;
    }

    void follow() noexcept { is_followed_ = true; }
    // Of a question that begins after this call; it shows all that was seen up to it.
    runtime::Position begin() noexcept { return {history_, ++begun_}; }
    // Of what has been read until now: the next question's.
    runtime::Position seen() const noexcept {
        return is_followed_ ? runtime::Position{history_, begun_ + 1} : runtime::Position{};
    }
    // Somebody here has written. Whoever carries nothing, as a client that keeps no cookies, is
    // shown it all the same.
    void wrote() noexcept {
        const std::uint64_t now = seen().at;
        for (std::uint64_t known = written_; known < now;) {
            if (written_.compare_exchange_weak(known, now)) break;
        }
    }
    // Whether a question shows all that was seen, and written here: `asked` is of begin().
    bool is_shown(runtime::Position seen, runtime::Position asked) const noexcept {
        if (asked == runtime::Position{} || asked.at < written_) return false;
        return seen == runtime::Position{} || (is_own(seen) && seen.at <= asked.at);
    }
    bool is_own(runtime::Position position) const noexcept {
        return position.history == history_ && position.at > first_ && position.at <= begun_ + 1;
    }
    // Who had seen what another process showed, and sees something here, has seen what neither
    // can tell.
    void saw(runtime::Reading& reading, runtime::Position seen) const noexcept {
        if (seen == runtime::Position{}) return;
        const runtime::Position had = reading.position();
        if (had == runtime::Position{} || (is_own(had) && is_own(seen)))
            reading.saw(seen);
        else
            reading.replace(runtime::Position::unknown());
    }
    void saw(runtime::Reading& reading) const noexcept { saw(reading, seen()); }

private:
    std::uint32_t history_ = 0;
    std::uint64_t first_ = 0;
    std::atomic<std::uint64_t> begun_{0}, written_{0};
    bool is_followed_ = false;
};

// Marks what a read or a transaction has seen, when it ends, however it does.
class MomentOf {
public:
    MomentOf(const Moments* moments, runtime::Reading& reading) noexcept
        : moments_(moments), reading_(reading) {}
    ~MomentOf() {
        if (moments_ != nullptr) moments_->saw(reading_);
    }
    MomentOf(const MomentOf&) = delete;
    MomentOf& operator=(const MomentOf&) = delete;

private:
    const Moments* moments_;
    runtime::Reading& reading_;
};

}  // namespace loadstone::store
