#pragma once
// Context: what a request or a job carries: its deadline, its cancellation, its span, who it is
// for, and the doors to the store. First parameter of everything that can suspend. Lives as long
// as the request or job; used by one thread at a time (the one that runs the current slice).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/freshness.h"
#include "loadstone/runtime/services.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::store {
class Reader;
}

namespace loadstone::runtime {

// Who is signed in, as the application resolved it from the session cookie.
struct Session {
    std::int64_t id = 0;
    std::int64_t user = 0;
};

// The client's Idempotency-Key, scoped and hashed: a write under it happens once, and its result
// is kept and given again (store/idempotency.h).
struct IdempotencyKey {
    std::string scope_and_key;        // 32 bytes of hash, hex
    std::string request_fingerprint;  // 32 bytes of hash, hex: method, path, body
    int writes = 0;                   // how many writes of this request have begun
    bool replayed = false;            // a write's result came from the record
};

// The transaction whose body runs: where it is.
struct OpenTransaction {
    std::string_view statement;  // the last one begun; empty: none yet
    std::source_location place;  // that ran it; line 0: unknown
};

class Context {
public:
    Context(const Services& services, Deadline deadline)
        : services_(&services), deadline_(deadline) {}
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    Deadline deadline() const noexcept { return deadline_; }
    void tighten(Deadline other) noexcept { deadline_ = deadline_.sooner(other); }

    // From any thread. Waits under way end at their next check; new ones throw at once. Who sees it
    // may end the context: all that the canceller did before is visible then.
    void cancel() noexcept { cancelled_.store(true, std::memory_order_release); }
    bool is_cancelled() const noexcept {
        return !shielded_ && cancelled_.load(std::memory_order_acquire);
    }
    // Something has happened that cannot be undone and is still to be recorded: from here on it is
    // not cancelled, and has `grace` at least.
    void shield(std::chrono::milliseconds grace) noexcept {
        shielded_ = true;
        deadline_ = deadline_.later(Deadline::in(grace));
    }
    // Throws Error cancelled or deadline_exceeded; `what` names the wait that was about to begin.
    void throw_if_done(std::string_view what) const;

    telemetry::Span& span() noexcept { return span_; }
    const Services& services() const noexcept { return *services_; }

    // Index of the module (server's order); its name is for messages.
    std::string_view module() const noexcept { return module_; }
    void set_module(std::string_view name) noexcept { module_ = name; }

    const std::optional<Session>& session() const noexcept { return session_; }
    void set_session(std::optional<Session> session) noexcept { session_ = session; }
    // The session, or Error unauthenticated.
    const Session& require_session() const;

    std::optional<IdempotencyKey>& idempotency() noexcept { return idempotency_; }

    // What it has seen of the database, and how it reads.
    Reading& reading() noexcept { return reading_; }
    const Reading& reading() const noexcept { return reading_; }

    // Null outside of a transaction's body. Set by the store, on which the body runs.
    const OpenTransaction* transaction() const noexcept { return transaction_; }
    void set_transaction(const OpenTransaction* open) noexcept { transaction_ = open; }
    // Of what must not wait while a transaction is open: Error internal, which names `call` and the
    // transaction. The first is logged besides.
    void require_no_transaction(std::string_view call) const {
        if (transaction_ != nullptr) refuse_in_transaction(call);
    }

    // ---- the doors to the store; defined in loadstone/store/context_store.{h,cc} ----
    // Reads: snapshot per statement, cannot write. As fresh as reading() says, or as said here.
    store::Reader reader();
    store::Reader reader(Freshness freshness);
    // Runs `command(Tx&, arguments...)` as one transaction and gives its result when it is
    // durable. Arguments are copied into the transaction, because the body may run again.
    template <class Command, class... Arguments>
    auto write(Command command, const Arguments&... arguments);

private:
    [[noreturn]] void refuse_in_transaction(std::string_view call) const;

    const Services* services_;
    Deadline deadline_;
    std::atomic<bool> cancelled_{false};
    bool shielded_ = false;
    telemetry::Span span_;
    std::string_view module_ = "loadstone";
    std::optional<Session> session_;
    std::optional<IdempotencyKey> idempotency_;
    Reading reading_;
    const OpenTransaction* transaction_ = nullptr;
};

}  // namespace loadstone::runtime

namespace loadstone {
using runtime::Context;
}
