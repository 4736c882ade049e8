#pragma once
// Freshness: how much of what has been committed a read must see. Position: how far a database had
// come at an instant. Both are named by who reads and carried by Context; the store gives them
// their meaning (loadstone/store/README.md, docs/internals/reads.md).

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace loadstone::runtime {

// A place in the history of a database: what was committed at or before it is seen by whoever is
// at it. Histories are numbered (PostgreSQL's timelines): one that begins later is the one that
// counts. The default is before everything. Where a database tells no positions a process numbers
// its own questions instead, in a history of its own that says nothing to others (store::Moments).
struct Position {
    std::uint32_t history = 0;
    std::uint64_t at = 0;

    // Something was seen, and how far it goes could not be learnt: behind everything else.
    static constexpr Position unknown() noexcept {
        return {std::numeric_limits<std::uint32_t>::max(),
                std::numeric_limits<std::uint64_t>::max()};
    }
    // Of a process and not of a database.
    constexpr bool is_moment() const noexcept;
    friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

// Timelines are below.
inline constexpr std::uint32_t first_moments = 0x8000'0000U;

constexpr bool Position::is_moment() const noexcept {
    return history >= first_moments && *this != unknown();
}

// "1-16B3748", both hexadecimal, as it travels in a cookie or a header; at most 25 characters.
std::string to_text(Position position);
void append_text(std::string& out, Position position);
std::optional<Position> position_from(std::string_view text) noexcept;

struct Freshness {
    enum class Kind : std::uint8_t { own_writes, within, latest };

    Kind kind = Kind::own_writes;
    std::chrono::nanoseconds age_max{0};  // of `within`

    friend constexpr bool operator==(const Freshness&, const Freshness&) = default;
};

// What the session wrote, on any node, and all that it has seen before. The default.
inline constexpr Freshness own_writes{};
// All that was committed before the read began.
inline constexpr Freshness latest{Freshness::Kind::latest, {}};
// As own_writes, and all that anybody had committed until `age` before the read began.
constexpr Freshness within(std::chrono::nanoseconds age) noexcept {
    return {Freshness::Kind::within, age};
}

// What a request or a job has seen, and how it reads.
class Reading {
public:
    // What it must see at least: what its session, or whoever caused it, had seen.
    const Position& position() const noexcept { return position_; }
    void begin_at(Position position) noexcept { began_ = position_ = position; }
    void saw(Position seen) noexcept {
        if (seen > position_) position_ = seen;
    }
    // By another one: the one that it had belongs to no history that there is, or the primary was
    // read, and what there is beyond it cannot be known.
    void replace(Position position) noexcept {
        position_ = position;
        ++replacements_;
    }
    // If there is none, each read was of a server that is known to show all of the position before
    // it.
    unsigned replacements() const noexcept { return replacements_; }
    // Whether its session is to be told: of a new one, or again that it is unknown, lest it forget.
    bool has_moved() const noexcept {
        return position_ != began_ || position_ == Position::unknown();
    }

    // Of a reader that names no freshness.
    Freshness freshness = own_writes;
    // Of many rows for one person's overview: on connections of its own, never on the primary.
    bool is_heavy = false;
    // A read that keeps its loop for long lets others go on in its middle (SQLite).
    bool in_pieces = false;
    // Rather an answer that is older than asked for, by up to this, than none. 0: none.
    std::chrono::milliseconds stale_max{0};

    // It was given such an answer, by so much at most.
    void gave_stale(std::chrono::nanoseconds age) noexcept {
        if (!stale_ || *stale_ < age) stale_ = age;
        ++stale_answers_;
    }
    // The same, by a replica that is behind what it had to see: nothing fresher was to be had.
    void gave_behind(std::chrono::nanoseconds age) noexcept {
        gave_stale(age);
        is_behind_ = true;
    }
    const std::optional<std::chrono::nanoseconds>& stale() const noexcept { return stale_; }
    bool is_behind() const noexcept { return is_behind_; }
    unsigned stale_answers() const noexcept { return stale_answers_; }

private:
    Position began_, position_;
    std::optional<std::chrono::nanoseconds> stale_;
    bool is_behind_ = false;
    unsigned replacements_ = 0, stale_answers_ = 0;
};

}  // namespace loadstone::runtime

namespace loadstone {
using runtime::latest;
using runtime::own_writes;
using runtime::within;
}  // namespace loadstone
