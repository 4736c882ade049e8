#pragma once
// Canceller: sends cancel requests off the loops. PQcancel blocks until the server has taken it,
// which a stopped server never does, so the requests have threads of their own, few and started on
// demand; what they cannot take is dropped and counted: a deadline does not rest on it.

#include <memory>

#include "loadstone/store/postgres/internal/handles.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

class Canceller {
public:
    static constexpr int threads_max = 2;
    static constexpr std::size_t queue_max = 64;

    explicit Canceller(telemetry::Registry& registry);
    // Waits for requests under way for at most a second; a thread that is stuck is left behind
    // with what it owns.
    ~Canceller();
    Canceller(const Canceller&) = delete;
    Canceller& operator=(const Canceller&) = delete;

    // From any thread.
    void cancel(std::shared_ptr<PGcancel> request);

private:
    struct Shared;
    static void run(const std::shared_ptr<Shared>& shared);

    std::shared_ptr<Shared> shared_;
    telemetry::Counter& sent_;
    telemetry::Counter& dropped_;
};

}  // namespace loadstone::store::postgres
