#include "loadstone/analytics/internal/feed_lease.h"

#include <exception>
#include <memory>
#include <utility>

#include "loadstone/analytics/sql.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "loadstone/runtime/event.h"
#include "loadstone/store/context_store.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::size_t holder_bytes = 12;

struct Lease {
    std::string holder;
    std::int64_t epoch = 0, remaining = 0;
};
BOOST_DESCRIBE_STRUCT(Lease, (), (holder, epoch, remaining))

// On a lane, beside the coroutine that waits for it.
struct Piece {
    runtime::Event ended;
    std::exception_ptr failure;
};
// Of its function: a lane that ends drops what waits.
struct Ending {
    explicit Ending(std::shared_ptr<Piece> of) : piece(std::move(of)) {}
    ~Ending() { piece->ended.set(); }
    const std::shared_ptr<Piece> piece;
};

[[noreturn]] void throw_lost() {
    throw Error(Errc::conflict, "another server feeds the column store");
}

Task<std::int64_t> take_lease(Tx& tx, std::string holder, std::int64_t lowest,
                              std::int64_t micros) {
    const auto taken = co_await tx.exec(sql::take_lease, holder, lowest, micros);
    if (taken == 0) throw_lost();
    const auto lease = co_await tx.one<Lease>(sql::lease);
    co_return lease.epoch;
}

Task<void> leave_lease(Tx& tx, std::int64_t epoch) { co_await tx.exec(sql::leave_lease, epoch); }

}  // namespace

Task<void> require_epoch(Tx& tx, FeedTerm term) {
    if (term.epoch == 0) co_return;
    const std::int64_t micros = term.lease.count();
    const auto kept = co_await tx.exec(sql::keep_lease, term.epoch, micros);
    if (kept == 0) throw_lost();
}

Task<void> run_in_term(Context& context, runtime::Lane& lane, FeedTerm term,
                       std::function<void()> work) {
    if (term.epoch == 0) {
        co_await lane.run(context, work);
        co_return;
    }
    const auto piece = std::make_shared<Piece>();
    piece->failure = std::make_exception_ptr(Error(Errc::cancelled, "the feed's lane has ended"));
    auto run = [ending = std::make_shared<Ending>(piece), work] {
        Piece& own = *ending->piece;
        try {
            work();
            own.failure = nullptr;
        } catch (...) {
            own.failure = std::current_exception();
        }
        own.ended.set();
    };
    if (!lane.post(std::move(run))) throw Error(Errc::unavailable, "the feed's lane is full");
    bool is_ours = true;
    // Whatever happens, what `work` refers to stays until it has ended.
    while (!piece->ended.is_set()) {
        const auto next =
            runtime::Deadline::in(std::chrono::ceil<std::chrono::milliseconds>(term.lease / 3));
        co_await piece->ended.wait(next);
        if (piece->ended.is_set() || !is_ours) continue;
        try {
            co_await context.write(require_epoch, term);
        } catch (const Error&) {
            is_ours = false;
        }
    }
    if (piece->failure) std::rethrow_exception(piece->failure);
}

FeedLease::FeedLease(std::chrono::milliseconds lease) : holder_(secret_token(holder_bytes)) {
    term_.lease = lease;
}

Task<bool> FeedLease::is_ours_or_free(Context& context) {
    Reader reader = context.reader();
    const auto lease = co_await reader.one<Lease>(sql::lease);
    const bool is_ours = lease.holder == holder_;
    if (!is_ours || lease.epoch != term_.epoch) term_.epoch = 0;
    if (term_.epoch != 0 && 3 * lease.remaining < 2 * term_.lease.count())
        co_await context.write(require_epoch, term_);
    co_return is_ours || lease.remaining < 0;
}

Task<void> FeedLease::take(Context& context, std::int64_t lowest) {
    const std::int64_t micros = term_.lease.count();
    term_.epoch = co_await context.write(take_lease, holder_, lowest, micros);
}

Task<void> FeedLease::leave(Context& context) {
    if (term_.epoch == 0) co_return;
    co_await context.write(leave_lease, term_.epoch);
}

}  // namespace loadstone::analytics::internal
