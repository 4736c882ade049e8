#include "loadstone/cache/cache.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/internal/early.h"
#include "loadstone/cache/internal/entry.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::cache {

using Clock = std::chrono::steady_clock;

namespace {

// An entry that it waited for may have become invalid meanwhile: so often it waits again, then it
// computes for itself.
constexpr int rounds_max = 3;

FollowerOptions telling(FollowerOptions options,
                        std::function<void(std::chrono::nanoseconds)> whom) {
    options.answered = std::move(whom);
    return options;
}

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

struct Cache::Flight {
    runtime::Event ended;
    Since waits_since;           // who computes
    EntryPtr untrue;             // what there was before, if it may still be given
    EntryPtr entry;              // null: it failed
    std::exception_ptr failure;  // null: who computed was cancelled, or late
    runtime::Position seen;      // by who failed
};

struct Cache::Metrics {
    explicit Metrics(telemetry::Registry& registry)
        : hits(counter(registry, "hits", "Reads of views that an entry answered")),
          misses(counter(registry, "misses", "Reads of views that computed")),
          waits(counter(registry, "waits", "Reads of views that waited for another's computation")),
          invalid(counter(registry, "invalid", "Entries that were found to be no longer true")),
          alone(counter(registry, "alone", "Computations that nobody else could use")),
          evictions(counter(registry, "evictions", "Entries that made room for others")),
          unshared(counter(registry, "unshared",
                           "Computations of which other nodes could not be asked")),
          stale(counter(registry, "stale", "Reads of views that were given what was true before")),
          too_large(counter(registry, "too_large", "Answers that were not kept for their size")),
          measurements(counter(registry, "measurements",
                               "Reads of views that asked only to measure what computations do to "
                               "others")),
          early(counter(registry, "early", "Computations begun before the time was over")) {}
    static telemetry::Counter& counter(telemetry::Registry& registry, std::string_view name,
                                       std::string_view help) {
        return registry.counter(fmt::format("loadstone_cache_{}_total", name), "", help);
    }
    telemetry::Counter &hits, &misses, &waits, &invalid, &alone, &evictions, &unshared, &stale,
        &too_large, &measurements, &early;
};

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
    co_return Unsure{seen, follower_.now().state};
}

Task<Answer> Cache::give(Context& context, const Asked& asked, Compute compute, EntryPtr entry,
                         const Unsure& unsure, Since waits_since) {
    const bool shows_all =
        co_await follower_.is_unchanged_at(context, unsure.seen, unsure.state, entry->tags);
    if (!shows_all) {
        metrics_->alone.add();
        entry = co_await fill(context, asked, compute, waits_since);
    }
    co_return answer_of(*entry, context);
}

Task<Answer> Cache::get(Context& context, const Asked& asked, Compute compute) {
    const std::uint64_t hash = internal::hash_of(asked.view, asked.key);
    std::optional<Unsure> unsure;
    if (!is_fresh(context)) unsure = co_await settle(context);
    const std::uint64_t owed = follower_.epoch();
    Since waits_since = Clock::now();
    for (int round = 0; round < rounds_max; ++round) {
        std::shared_ptr<Flight> flight;
        bool is_mine = false;
        EntryPtr found;  // true still; with a flight: to be computed before its end
        {
            const std::scoped_lock lock(mutex_);
            EntryPtr untrue;
            found = find(hash, asked, untrue);
            if (found && (flights_.contains(hash) || !is_due_early(*found, asked))) {
                metrics_->hits.add();
                if (!unsure) co_return answer_of(*found, context);
            } else {
                auto& place = flights_[hash];
                is_mine = place == nullptr;
                if (is_mine) {
                    place = std::make_shared<Flight>();
                    place->untrue = std::move(untrue);
                    place->waits_since = waits_since;
                }
                flight = place;
            }
        }
        if (!flight) co_return co_await give(context, asked, compute, found, *unsure, waits_since);
        if (is_mine) {
            if (found) metrics_->early.add();
            EntryPtr made;
            bool is_own = !asked.once_in_cluster;
            try {
                made = co_await compute_once(context, asked, compute, hash, waits_since);
            } catch (const Error&) {
                if (!found) throw;
                made = std::move(found);
                is_own = false;
            }
            if (is_own || !unsure) co_return answer_of(*made, context);
            co_return co_await give(context, asked, compute, made, *unsure, waits_since);
        }
        if (const auto age = stale_age(flight->untrue, asked)) {
            metrics_->stale.add();
            follower_.saw(context.reading(), flight->untrue->position);
            context.reading().gave_stale(*age);
            co_return Answer{flight->untrue->json, flight->untrue->etag};
        }
        metrics_->waits.add();
        const bool has_ended = co_await flight->ended.wait(context.deadline());
        if (!has_ended)
            throw Error(Errc::deadline_exceeded,
                        fmt::format("waiting for {} to be computed", asked.view));
        context.throw_if_done("a view that another computes");
        if (flight->failure) {
            follower_.saw(context.reading(), flight->seen);
            std::rethrow_exception(flight->failure);
        }
        // It may be untrue by now, or gone from the cache, and yet show all that is owed.
        const EntryPtr& made = flight->entry;
        if (made && made->is_of(asked) && (made->epoch >= owed || is_valid(*made, asked))) {
            if (!unsure) co_return answer_of(*made, context);
            co_return co_await give(context, asked, compute, made, *unsure, waits_since);
        }
        // Who goes on for one that was cancelled has paused already when that one has.
        if (!flight->entry) waits_since = std::min(waits_since, flight->waits_since);
    }
    metrics_->alone.add();
    const EntryPtr made = co_await fill(context, asked, compute, waits_since);
    co_return answer_of(*made, context);
}

Task<Cache::EntryPtr> Cache::compute_once(Context& context, const Asked& asked, Compute compute,
                                          std::uint64_t hash, Since waits_since) {
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
    Landing landing{*this, context, hash};
    try {
        // How old another node's answer is cannot be told.
        const bool is_for_all =
            asked.once_in_cluster && fills_ != nullptr && asked.fresh_for.count() == 0;
        if (is_for_all) {
            landing.entry = co_await fill_for_all(context, asked, compute, hash, waits_since);
        } else {
            landing.entry = co_await fill(context, asked, compute, waits_since);
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

std::optional<std::chrono::nanoseconds> Cache::stale_age(const EntryPtr& untrue,
                                                         const Asked& asked) {
    if (!untrue || !untrue->is_of(asked)) return std::nullopt;
    const auto age = Clock::now() - untrue->true_at.load();
    if (age > asked.stale_for) return std::nullopt;
    return age;
}

// What another node has computed, or is computing; else computed, and told to the others.
Task<Cache::EntryPtr> Cache::fill_for_all(Context& context, const Asked& asked, Compute compute,
                                          std::uint64_t hash, Since waits_since) {
    const Follower::Now now = follower_.now();
    Fills::Begun begun;
    try {
        begun = co_await fills_->begin(context, hash, asked.view, asked.key, now);
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
        entry = co_await fill(context, asked, compute, waits_since);
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
            co_await fills_->end(context, hash, begun.holder, answer);
        } else {
            co_await fills_->leave(hash, begun.holder, context.services());
        }
    } catch (const Error& error) {
        log::warning("other nodes could not be told of a view; they wait until the lease is over",
                     {{"view", asked.view}, {"error", error.message()}});
    }
    if (failure) std::rethrow_exception(failure);
    co_return entry;
}

Task<void> Cache::prune(Context& context) {
    co_await follower_.prune(context);
    if (fills_) co_await fills_->prune(context);
}

Task<Cache::EntryPtr> Cache::fill(Context& context, const Asked& asked, Compute compute,
                                  Since waits_since) {
    co_await computations_.enter(context, waits_since);
    const internal::Recomputations::Place place(computations_, context);
    co_await computations_.give_way(context, waits_since);
    metrics_->misses.add();
    auto entry = std::make_shared<Entry>();
    entry->view = asked.view;
    entry->key = asked.key;
    // Before the first read: what changes from here on makes it invalid, also while it is computed.
    const Follower::Now now = follower_.now();
    entry->epoch = now.epoch;
    follower_.saw(context.reading(), now.position);
    entry->made_at = Clock::now();
    entry->true_at = follower_.followed_at();
    const OutOfTheWay apart(context.reading(), has_own_connections_, computations_.gives_way());
    RecordingReads reads(reads_.read_connection(), rules_, entry->tags);
    Reader reader(context, reads, runtime::own_writes);
    std::string json = co_await compute(reader);
    entry->took = Clock::now() - entry->made_at;
    entry->position = follower_.seen_now(context.reading().position());
    // Read where less was known than had been asked for: for this reader alone.
    if (context.reading().stale()) entry->epoch = 0;
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
