#pragma once
// Servers: what this process knows of the primary and its replicas. A watch for each (on the first
// loop) asks it for its role, its history and its position; all loops read here. That decides who
// is healthy and who is the primary. What a read on one connection is known to see is known by
// that connection alone (Pipeline::known_position).
//
// The primary is the server that is no standby and has the newest history: of two, as after a
// failover in which the old one goes on, the older one does not count. A replica counts if it is a
// standby, follows that history, answers, and is not too far behind. A server of another database
// system is neither, whatever its history: it was given by mistake, and what it holds is not ours.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/internal/position_trail.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

// What a server says to its watch.
struct ServerAnswer {
    bool is_standby = false;
    std::int64_t system = 0;    // identifier of the database system
    std::int64_t position = 0;  // replayed, or flushed
    std::int64_t history = 0;   // its timeline
};

class Servers {
public:
    using Clock = std::chrono::steady_clock;

    enum class Role { silent, primary, replica, other };

    // The first `own` of them are those of the database's URL: it is they who say which system is
    // ours. Where none of them answers within silent_max of the first answer, it is a primary
    // elsewhere that no other answer contradicts.
    Servers(std::vector<std::string> names, std::size_t own, const ReplicaOptions& options,
            telemetry::Registry& registry);
    ~Servers();
    Servers(const Servers&) = delete;
    Servers& operator=(const Servers&) = delete;

    std::size_t size() const noexcept { return servers_.size(); }
    const std::string& name(std::size_t server) const noexcept { return servers_[server]->name; }

    // ---- the watches ----
    void answered(std::size_t server, const ServerAnswer& answer, Clock::time_point asked);
    void is_silent(std::size_t server);

    // Whether this process may have the connections to it that its reads need. From any thread.
    void set_room(std::size_t server, bool has_room) noexcept {
        servers_[server]->has_room.store(has_room, std::memory_order_release);
    }

    // ---- from any thread ----
    // The newest history that a primary has had; 0 if none has been seen.
    std::uint32_t history() const noexcept { return history_.load(std::memory_order_acquire); }
    bool is_silent_now(std::size_t server) const noexcept;
    // Whether one answers that is the primary.
    bool has_primary() const noexcept;
    bool is_primary(std::size_t server) const noexcept;
    // A standby of ours that follows the history that counts; and it is not too far behind, and
    // this process has connections to it.
    bool is_replica(std::size_t server) const noexcept;
    bool is_usable(std::size_t server) const noexcept;
    std::uint32_t history(std::size_t server) const noexcept;
    // As it was when it answered last.
    std::chrono::nanoseconds lag(std::size_t server) const noexcept;
    // With the time that a silent one has not been heard of since.
    std::chrono::nanoseconds lag_now(std::size_t server) const noexcept;
    // False for what is known to be a standby, a primary of an older history, or of another
    // system, and for what was never heard of and is not of the database's URL.
    bool may_be_primary(std::size_t server) const noexcept;
    // Whether each has answered a question of after `since`: then there is no history but theirs.
    bool all_have_answered(Clock::time_point since) const noexcept;
    // How old what `position` shows may be; nothing if that is not known.
    std::optional<std::chrono::nanoseconds> age(std::uint64_t position) const;

    // Reads under way on it, of all loops.
    std::atomic<std::size_t>& reads(std::size_t server) noexcept { return servers_[server]->reads; }
    telemetry::Counter& served(std::size_t server) noexcept { return servers_[server]->served; }
    telemetry::Counter& left(std::size_t server) noexcept { return servers_[server]->left; }

private:
    struct Server {
        Server(std::string name_of, telemetry::Registry& registry);
        const std::string name;
        std::atomic<Role> role{Role::silent};
        std::atomic<std::uint32_t> history{0};
        std::atomic<std::uint64_t> position{0};
        std::atomic<std::int64_t> lag_ns{0};
        std::atomic<Clock::rep> asked{0};
        std::atomic<std::size_t> reads{0};
        std::atomic<bool> is_ours{false};  // as it answered last
        std::atomic<bool> has_room{true};
        std::int64_t system = 0;   // 0: it has not answered; under mutex_
        bool was_usable = false;   // of its watch
        bool was_refused = false;  // of its watch
        telemetry::Counter& served;
        telemetry::Counter& left;
        telemetry::Counter& returned;
    };

    bool is_ours(const ServerAnswer& answer) const;
    void settle_system(std::size_t server, const ServerAnswer& answer, Clock::time_point asked);
    Role role_of(const ServerAnswer& answer) const;
    void note_system(Server& server);
    void note_use(std::size_t server);
    void add_gauges(telemetry::Registry& registry);

    const std::size_t own_;
    const Clock::time_point started_ = Clock::now();
    const std::chrono::nanoseconds lag_max_, silent_max_;
    telemetry::Registry& registry_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::atomic<std::uint32_t> history_{0};
    telemetry::Counter& failovers_;

    mutable std::mutex mutex_;  // trail_, system_
    internal::PositionTrail trail_;
    std::optional<Clock::time_point> first_asked_;
    std::int64_t system_ = 0;  // ours; 0 until it is known, and then for good
};

}  // namespace loadstone::store::postgres
