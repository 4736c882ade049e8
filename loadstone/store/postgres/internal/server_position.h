#pragma once
// ServerPosition: where a server was in its write-ahead log when it answered. It is asked at the
// end of a batch, so that it costs no round trip, and tells both ways: what is read after it sees
// at least `at`, what was read before it has seen `seen()` at most.

#include <libpq-fe.h>

#include <cstdint>
#include <optional>

#include "loadstone/runtime/freshness.h"

namespace loadstone::store::postgres {

struct ServerPosition {
    bool is_standby = false;
    // A standby has received more than it has replayed. It shows what a commit did a moment before
    // it says that it has replayed it, so then what was read may be one record further.
    bool is_moving = false;
    std::uint32_t timeline = 0;  // of a primary; a standby does not tell it cheaply
    std::uint64_t at = 0;        // replayed, or on a primary flushed

    // Whoever has replayed a byte more has replayed the whole record.
    std::uint64_t seen() const noexcept { return is_moving ? at + 1 : at; }
};

// Both without parameters; their results are in binary. On a primary it is the flush position: the
// insert position may lie behind a page's header, which no standby reaches before there is more.
// What is asked of a replica goes with each batch of its reads, and costs it less; one that
// is no standby, or has replayed nothing, tells no place. What was received is asked for last: had
// all of it been replayed when the place was read, then nothing was under way.
inline constexpr const char* replica_position_statement =
    "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end p,"
    " pg_last_wal_receive_lsn() r";
inline constexpr const char* server_position_statement =
    "select pg_is_in_recovery(),"
    " case when pg_is_in_recovery() then pg_last_wal_replay_lsn()"
    " else pg_current_wal_flush_lsn() end,"
    " pg_is_in_recovery() and coalesce(pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn(), true),"
    " case when pg_is_in_recovery() then ''"
    " else substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) end";

// As Context::reading() takes it, of a server that should be the primary.
inline runtime::Position primary_position(const std::optional<ServerPosition>& position) noexcept {
    if (!position || position->is_standby) return runtime::Position::unknown();
    return {position->timeline, position->seen()};
}

// Of either statement's result. None for what is no such row, as of a standby that has replayed
// nothing yet.
std::optional<ServerPosition> server_position_of(const PGresult* result) noexcept;

}  // namespace loadstone::store::postgres
