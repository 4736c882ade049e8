#include "loadstone/cache/cache.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>

#include "loadstone/base/error.h"
#include "loadstone/cache/internal/early.h"
#include "loadstone/cache/internal/entry.h"
#include "loadstone/cache/internal/flight.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::cache {

using Clock = std::chrono::steady_clock;

namespace {

// An entry that it waited for may have become invalid meanwhile: so often it waits again, then it
// computes for itself.
constexpr int rounds_max = 3;

// Of entries that were read while nobody could tell what had changed: no others' place.
constexpr std::uint64_t untold_place = 0x5555'5555'5555'5555U;
constexpr std::chrono::milliseconds untold_fresh_min{1};

FollowerOptions telling(FollowerOptions options,
                        std::function<void(std::chrono::nanoseconds)> whom) {
    options.answered = std::move(whom);
    return options;
}

}  // namespace

Cache::Cache(const CacheOptions& options, const Sources& sources, store::Database& database,
             telemetry::Registry& registry)
    : options_(options),
      rules_(sources.accesses, sources.watched),
      aggregates_(sources.aggregates),
      folding_(database, aggregates_, options.fold_every, registry),
      database_(database, rules_, aggregates_, options.aggregate_shards, folding_, registry),
      reads_(database),
      has_own_connections_(database.dialect() == store::Dialect::postgres &&
                           !options.has_positions),
      computations_(options.computations, registry),
      follower_(database,
                telling(options.follower, [this](auto took) { computations_.asked(took); }),
                registry),
      unshown_(database, options.follower.kept, registry),
      registry_(registry),
      metrics_(std::make_unique<Metrics>(registry)),
      eviction_({.bytes_max = options.bytes_max}),
      random_(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())) {
    // Also where no view is read: who has seen something here may read views of another node.
    if (database.moments() != nullptr && !rules_.watches_nothing()) database.moments()->follow();
    if (options.has_other_nodes)
        fills_ = std::make_unique<Fills>(database, follower_, options.fills, registry);
    registry.gauge(this, "loadstone_cache_bytes", "", "Memory of the entries", [this] {
        const std::scoped_lock lock(mutex_);
        return static_cast<double>(eviction_.bytes());
    });
    registry.gauge(this, "loadstone_cache_entries", "", "Entries", [this] {
        const std::scoped_lock lock(mutex_);
        return static_cast<double>(entries_.size());
    });
}

Task<void> Cache::measure(Context& context) {
    if (follower_.must_ask() && computations_.under_way() == 0)
        co_await follower_.catch_up(context);
}

Cache::~Cache() { registry_.remove_gauges(this); }

// Whether all that the context must see is known to the follower, without asking the database.
bool Cache::is_fresh(Context& context) {
    const runtime::Reading& reading = context.reading();
    const auto age = Clock::now() - follower_.followed_at();
    using Kind = runtime::Freshness::Kind;
    if (reading.freshness.kind == Kind::within && age <= reading.freshness.age_max &&
        (reading.position() == runtime::Position{} || follower_.has_reached(reading.position())))
        return true;
    const bool may_be_old =
        reading.freshness.kind == Kind::own_writes && age <= options_.follow_every;
    const bool measures = may_be_old && follower_.must_ask() && age > options_.measure_every &&
                          computations_.under_way() > 0;
    if (measures) metrics_->measurements.add();
    if (may_be_old && !measures) {
        if (follower_.has_moments()) return follower_.has_reached(reading.position());
        if (options_.has_positions && (reading.position() == runtime::Position{} ||
                                       follower_.has_reached(reading.position())))
            return true;
    }
    return follower_.is_current();
}

bool Cache::is_valid(const Entry& entry, const Asked& asked) {
    if (!follower_.is_unchanged(entry.tags, entry.epoch)) return false;
    return asked.fresh_for.count() == 0 || Clock::now() - entry.made_at < asked.fresh_for;
}

// Under the lock.
bool Cache::is_due_early(const Entry& entry, const Asked& asked) {
    if (asked.fresh_for.count() == 0) return false;
    return internal::is_due_early(Clock::now() - entry.made_at, entry.took, asked.fresh_for,
                                  random_.uniform());
}

// Under the lock. To be asked for is a hit if the entry is true: else its place is of no use.
Cache::EntryPtr Cache::find(std::uint64_t hash, const Asked& asked, EntryPtr& untrue) {
    const auto found = entries_.find(hash);
    if (found != entries_.end()) {
        const bool is_same = found->second->is_of(asked);
        if (is_same && is_valid(*found->second, asked)) {
            eviction_.touch(hash);
            if (asked.stale_for.count() > 0) found->second->true_at = follower_.followed_at();
            return found->second;
        }
        metrics_->invalid.add();
        if (is_same && asked.stale_for.count() > 0) untrue = found->second;
        entries_.erase(found);
        eviction_.remove(hash);
    }
    eviction_.touch(hash);
    return nullptr;
}

Answer Cache::answer_of(const Entry& entry, Context& context) const {
    // What the session reads next is no older than this.
    follower_.saw(context.reading(), entry.position);
    return {entry.json, entry.etag};
}

Task<std::optional<Cache::Unsure>> Cache::settle(Context& context) {
    co_await follower_.settle(context);
    const runtime::Position seen = context.reading().position();
    if (!options_.has_positions || follower_.has_moments() || seen == runtime::Position{} ||
        seen == runtime::Position::unknown() || follower_.has_reached(seen))
        co_return std::nullopt;
    co_return Unsure{seen, follower_.now()};
}

// What is there, or a computation to wait for, or to make: then there is a flight.
Cache::Look Cache::look_for(const Asked& asked, const Owed& owed) {
    const std::scoped_lock lock(mutex_);
    Look look;
    EntryPtr untrue;
    look.entry = find(owed.hash, asked, untrue);
    if (look.entry && !look.entry->shows(owed.position)) look.entry = nullptr;
    if (look.entry && (flights_.contains(owed.hash) || !is_due_early(*look.entry, asked)))
        return look;
    auto& place = flights_[owed.hash];
    look.is_mine = place == nullptr;
    if (look.is_mine) {
        place = std::make_shared<Flight>();
        place->untrue = std::move(untrue);
        place->waits_since = owed.waits_since;
    }
    look.flight = place;
    return look;
}

Task<Answer> Cache::get(Context& context, const Asked& asked, Compute compute) {
    std::optional<Unsure> unsure;
    bool is_told = true;
    if (!is_fresh(context)) {
        try {
            unsure = co_await settle(context);
        } catch (const Error& error) {
            if (!can_do_untold(context, error)) throw;
            is_told = false;
        }
    }
    if (!is_told) {
        Answer untold = co_await get_untold(context, asked, compute);
        co_return untold;
    }
    Owed owed{internal::hash_of(asked.view, asked.key), follower_.epoch(), {}, Clock::now()};
    Look look = look_for(asked, owed);
    if (!look.flight && !unsure) {
        metrics_->hits.add();
        co_return answer_of(*look.entry, context);
    }
    Given given = co_await give(context, asked, compute, owed, std::move(look));
    if (unsure && !given.is_certain && !given.entry->shows(unsure->seen)) {
        const Touch touch = co_await unshown_.touch(context, *unsure, given.entry->tags);
        if (touch != Touch::none) metrics_->ahead.add();
        if (touch == Touch::soon) {
            co_await follower_.catch_up(context);
            owed.epoch = follower_.epoch();
            Look again = look_for(asked, owed);
            given = co_await give(context, asked, compute, owed, std::move(again));
        } else if (touch == Touch::unshown) {
            // Where the primary was read it is not told what it had seen.
            if (context.reading().position() != unsure->seen)
                context.reading().replace(unsure->seen);
            // Beside the other entry: who is given this one has seen more than polls show.
            owed.hash = ~owed.hash;
            owed.position = unsure->seen;
            if (context.reading().freshness == runtime::own_writes) owed.epoch = 0;
            Asked own = asked;
            own.once_in_cluster = false;
            own.stale_for = {};
            Look beside = look_for(own, owed);
            given = co_await give(context, own, compute, owed, std::move(beside));
        }
    }
    if (given.is_hit) metrics_->hits.add();
    co_return answer_of(*given.entry, context);
}

// Whether replicas may do where the primary cannot be asked what has changed.
bool Cache::can_do_untold(Context& context, const Error& error) const {
    return error.code() == Errc::unavailable && options_.has_positions &&
           !follower_.has_moments() && context.reading().freshness == runtime::own_writes;
}

// Of what was true when the database was last asked, if that is said and may be so long ago; else
// read as if there were no cache, and kept for as long as nobody asks anyway.
Task<Answer> Cache::get_untold(Context& context, const Asked& asked, Compute compute) {
    metrics_->untold.add();
    runtime::Reading& reading = context.reading();
    const runtime::Position seen = reading.position();
    const std::uint64_t hash = internal::hash_of(asked.view, asked.key);
    const auto age = Clock::now() - follower_.followed_at();
    if (age <= reading.stale_max) {
        EntryPtr entry, untrue;
        {
            const std::scoped_lock lock(mutex_);
            entry = find(hash, asked, untrue);
        }
        if (entry && (entry->shows(seen) || follower_.has_reached(seen))) {
            metrics_->stale.add();
            reading.gave_stale(age);
            co_return answer_of(*entry, context);
        }
    }
    Asked own = asked;
    own.once_in_cluster = false;
    own.stale_for = {};
    own.fresh_for = std::max(options_.follow_every, untold_fresh_min);
    if (asked.fresh_for.count() > 0) own.fresh_for = std::min(own.fresh_for, asked.fresh_for);
    const Owed owed{hash ^ untold_place, 0, seen, Clock::now(), true};
    Look look = look_for(own, owed);
    const Given given = co_await give(context, own, compute, owed, std::move(look));
    co_return answer_of(*given.entry, context);
}

Task<Cache::Given> Cache::give(Context& context, const Asked& asked, Compute compute, Owed owed,
                               Look look) {
    for (int round = 1;; ++round) {
        if (!look.flight) co_return Given{std::move(look.entry), true};
        if (look.is_mine) {
            if (look.entry) metrics_->early.add();
            Given given;
            try {
                given.entry = co_await compute_once(context, asked, compute, owed);
                given.is_certain = !asked.once_in_cluster && !given.entry->was_raised;
            } catch (const Error&) {
                if (!look.entry) throw;
                given = Given{std::move(look.entry)};
            }
            co_return given;
        }
        const Flight& flight = *look.flight;
        if (const auto age = stale_age(flight.untrue, asked)) {
            metrics_->stale.add();
            context.reading().gave_stale(*age);
            co_return Given{flight.untrue, false, true};
        }
        metrics_->waits.add();
        const bool has_ended = co_await look.flight->ended.wait(context.deadline());
        if (!has_ended)
            throw Error(Errc::deadline_exceeded,
                        fmt::format("waiting for {} to be computed", asked.view));
        context.throw_if_done("a view that another computes");
        if (flight.failure) {
            follower_.saw(context.reading(), flight.seen);
            std::rethrow_exception(flight.failure);
        }
        // It may be untrue by now, or gone from the cache, and yet show all that is owed.
        const EntryPtr& made = flight.entry;
        if (made && made->is_of(asked) && !made->is_for_its_reader_alone &&
            made->shows(owed.position) && (made->epoch >= owed.epoch || is_valid(*made, asked)))
            co_return Given{made};
        // Who goes on for one that was cancelled has paused already when that one has.
        if (!made) owed.waits_since = std::min(owed.waits_since, flight.waits_since);
        // Where the primary is read, the next would say no more.
        const bool says_nothing = made && made->reached == runtime::Position{};
        if (round == rounds_max || (says_nothing && owed.position != runtime::Position{})) break;
        look = look_for(asked, owed);
    }
    metrics_->alone.add();
    EntryPtr made = co_await fill(context, asked, compute, owed);
    const bool is_certain = !made->was_raised;
    co_return Given{std::move(made), false, is_certain};
}

std::optional<std::chrono::nanoseconds> Cache::stale_age(const EntryPtr& untrue,
                                                         const Asked& asked) {
    if (!untrue || !untrue->is_of(asked)) return std::nullopt;
    const auto age = Clock::now() - untrue->true_at.load();
    if (age > asked.stale_for) return std::nullopt;
    return age;
}

Task<void> Cache::prune(Context& context) {
    co_await follower_.prune(context);
    if (fills_) co_await fills_->prune(context);
}

std::span<const store::Migration> migrations() { return sql::migrations; }

Task<Answer> answer_of(Context& context, const Asked& asked, Compute compute) {
    if (auto* cache = context.services().find<Cache>()) {
        Answer found = co_await cache->get(context, asked, compute);
        co_return found;
    }
    std::string json = co_await compute(context.reader());
    std::string etag = internal::etag_of(json);
    co_return Answer{std::make_shared<const std::string>(std::move(json)), std::move(etag)};
}

}  // namespace loadstone::cache
