// How a Cache computes: once for all who wait, once for all nodes, within its bounds.

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/internal/entry.h"
#include "loadstone/cache/internal/flight.h"
#include "loadstone/store/reader.h"

namespace loadstone::cache {

using Clock = std::chrono::steady_clock;

namespace {

// While it lives, a computation's reads are out of others' way.
class OutOfTheWay {
public:
    OutOfTheWay(runtime::Reading& reading, bool on_own_connections, bool in_pieces)
        : reading_(reading), was_heavy_(reading.is_heavy), was_in_pieces_(reading.in_pieces) {
        reading_.is_heavy = was_heavy_ || on_own_connections;
        reading_.in_pieces = was_in_pieces_ || in_pieces;
    }
    OutOfTheWay(const OutOfTheWay&) = delete;
    OutOfTheWay& operator=(const OutOfTheWay&) = delete;
    ~OutOfTheWay() {
        reading_.is_heavy = was_heavy_;
        reading_.in_pieces = was_in_pieces_;
    }

private:
    runtime::Reading& reading_;
    const bool was_heavy_, was_in_pieces_;
};

}  // namespace

Task<Cache::EntryPtr> Cache::compute_once(Context& context, const Asked& asked, Compute compute,
                                          const Owed& owed) {
    // However this ends, those who wait are told: a coroutine that is destroyed tells them too.
    struct Landing {
        Cache& cache;
        Context& context;
        std::uint64_t hash;
        EntryPtr entry{};
        std::exception_ptr failure{};
        ~Landing() {
            std::shared_ptr<Flight> flight;
            {
                const std::scoped_lock lock(cache.mutex_);
                const auto found = cache.flights_.find(hash);
                flight = std::move(found->second);
                cache.flights_.erase(found);
                if (entry) cache.keep(hash, entry);
            }
            flight->entry = entry;
            flight->failure = failure;
            flight->seen = cache.follower_.seen_now(context.reading().position());
            flight->ended.set();
        }
    };
    Landing landing{*this, context, owed.hash};
    try {
        // How old another node's answer is cannot be told.
        const bool is_for_all =
            asked.once_in_cluster && fills_ != nullptr && asked.fresh_for.count() == 0;
        if (is_for_all) {
            landing.entry = co_await fill_for_all(context, asked, compute, owed);
        } else {
            landing.entry = co_await fill(context, asked, compute, owed);
        }
    } catch (const Error& error) {
        // Its own end is no reason for others to fail.
        if (error.code() != Errc::cancelled && error.code() != Errc::deadline_exceeded)
            landing.failure = std::current_exception();
        throw;
    } catch (...) {
        landing.failure = std::current_exception();
        throw;
    }
    co_return landing.entry;
}

// What another node has computed, or is computing; else computed, and told to the others.
Task<Cache::EntryPtr> Cache::fill_for_all(Context& context, const Asked& asked, Compute compute,
                                          const Owed& owed) {
    const Follower::Now now = follower_.now();
    Fills::Begun begun;
    try {
        begun = co_await fills_->begin(context, owed.hash, asked.view, asked.key, now);
    } catch (const Error& error) {
        // To agree with other nodes is a write; a read does not need the database to take those.
        metrics_->unshared.add();
        context.throw_if_done("a view that another node may compute");
        log::debug("a view is computed without asking other nodes",
                   {{"view", asked.view}, {"error", error.message()}});
    }
    if (begun.answer) {
        auto entry = std::make_shared<Entry>();
        entry->view = asked.view;
        entry->key = asked.key;
        entry->etag = internal::etag_of(begun.answer->json);
        entry->json = std::make_shared<const std::string>(std::move(begun.answer->json));
        entry->tags = std::move(begun.answer->tags);
        entry->epoch = begun.answer->epoch;
        entry->position = follower_.seen_now(begun.answer->position);
        entry->made_at = Clock::now();
        entry->true_at = follower_.followed_at();
        co_return entry;
    }
    EntryPtr entry;
    std::exception_ptr failure;
    try {
        entry = co_await fill(context, asked, compute, owed);
    } catch (...) {
        failure = std::current_exception();
    }
    if (begun.holder.empty()) {
        if (failure) std::rethrow_exception(failure);
        co_return entry;
    }
    try {
        if (entry && entry->epoch > 0) {
            const SharedAnswer answer{*entry->json, entry->tags, entry->epoch, entry->position};
            co_await fills_->end(context, owed.hash, begun.holder, answer);
        } else {
            co_await fills_->leave(owed.hash, begun.holder, context.services());
        }
    } catch (const Error& error) {
        log::warning("other nodes could not be told of a view; they wait until the lease is over",
                     {{"view", asked.view}, {"error", error.message()}});
    }
    if (failure) std::rethrow_exception(failure);
    co_return entry;
}

Task<Cache::EntryPtr> Cache::fill(Context& context, const Asked& asked, Compute compute,
                                  const Owed& owed) {
    co_await computations_.enter(context, owed.waits_since);
    const internal::Recomputations::Place place(computations_, context);
    co_await computations_.give_way(context, owed.waits_since);
    metrics_->misses.add();
    auto entry = std::make_shared<Entry>();
    entry->view = asked.view;
    entry->key = asked.key;
    // Before the first read: what changes from here on makes it invalid, also while it is computed.
    const Follower::Now now = follower_.now();
    const runtime::Position seen = context.reading().position();
    // Where the position is all that is owed no more is asked for: the replica that shows it may
    // not show the last poll, and the primary does not show it yet.
    if (owed.epoch > 0) follower_.saw(context.reading(), now.begun_at);
    const runtime::Position begun_at = context.reading().position();
    entry->was_raised = begun_at != seen;
    const unsigned replacements = context.reading().replacements();
    const unsigned stale_answers = context.reading().stale_answers();
    // 0: for those who wait for it, and not kept.
    const bool has_epoch = owed.epoch > 0 || owed.is_untold || begun_at >= now.begun_at;
    entry->epoch = has_epoch ? now.epoch : 0;
    entry->made_at = Clock::now();
    entry->true_at = follower_.followed_at();
    const OutOfTheWay apart(context.reading(), has_own_connections_, computations_.gives_way());
    RecordingReads reads(reads_.read_connection(), rules_, entry->tags);
    Reader reader(context, reads, runtime::own_writes);
    std::string json = co_await compute(reader);
    entry->took = Clock::now() - entry->made_at;
    entry->position = follower_.seen_now(context.reading().position());
    const bool was_replaced = context.reading().replacements() != replacements;
    const bool is_stale = context.reading().stale_answers() != stale_answers;
    if (!was_replaced) entry->reached = begun_at;
    if (is_stale || (was_replaced && owed.position != runtime::Position{})) {
        entry->is_for_its_reader_alone = true;
        entry->epoch = 0;
        entry->reached = {};
    }
    entry->etag = internal::etag_of(json);
    entry->json = std::make_shared<const std::string>(std::move(json));
    std::sort(entry->tags.begin(), entry->tags.end());
    entry->tags.erase(std::unique(entry->tags.begin(), entry->tags.end()), entry->tags.end());
    co_return entry;
}

// Under the lock.
void Cache::keep(std::uint64_t hash, EntryPtr entry) {
    if (entry->tags.size() > options_.tags_max || entry->bytes() > options_.bytes_max / 8) {
        metrics_->too_large.add();
        return;
    }
    if (!follower_.is_unchanged(entry->tags, entry->epoch)) return;
    std::vector<std::uint64_t> gone;
    const std::uint64_t bytes = entry->bytes();
    entries_[hash] = std::move(entry);
    eviction_.insert(hash, bytes, gone);
    for (const std::uint64_t each : gone) entries_.erase(each);
    metrics_->evictions.add(gone.size());
}

}  // namespace loadstone::cache
