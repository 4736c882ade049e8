#include "loadstone/analytics/feed.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/history.h"
#include "loadstone/analytics/internal/holder.h"
#include "loadstone/analytics/internal/wire.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/context_store.h"

namespace loadstone::analytics {

using internal::FeedState;
using internal::StoredFact;
using internal::StoreState;
using internal::WireWriter;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr seconds step_deadline{120};
constexpr seconds pause_after_failure{1};
constexpr seconds leave_deadline{2};
constexpr int doublings_max = 5;
constexpr int hello_timeout_ms = 2'000;
constexpr int begin_timeout_ms = 20'000;
constexpr std::size_t batch_bytes_max = 8U << 20U;

struct Form {
    std::int64_t id = 0;
    std::string fact, members;
};
BOOST_DESCRIBE_STRUCT(Form, (), (id, fact, members))

Task<void> declare_form(Tx& tx, Form form) {
    co_await tx.exec(sql::declare_form, form.id, form.fact, form.members);
}

Task<void> begin_feed(Tx& tx, std::string store, internal::FeedTerm term) {
    co_await internal::require_epoch(tx, term);
    co_await tx.exec(sql::begin_feed, store);
}

struct Carried {
    std::string store;
    Position at;
    std::int64_t as_of = 0, history = 0;
};

Task<void> note_carried(Tx& tx, Carried to, internal::FeedTerm term) {
    co_await internal::require_epoch(tx, term);
    const Position& at = to.at;
    const auto noted = co_await tx.exec(sql::note_carried, to.store, at.low, at.high, at.seq,
                                        to.as_of, to.history);
    if (noted == 0)
        throw Error(Errc::conflict, "the facts of this database go to another column store now");
    co_await tx.exec(sql::prune_carried, at.low, at.high, at.seq);
}

Task<void> note_begun(Tx& tx, Carried to, std::string holder, internal::FeedTerm term) {
    co_await note_carried(tx, to, term);
    co_await tx.exec(sql::note_holder, to.store, holder);
}

}  // namespace

struct Feed::Batch {
    Position from, to;
    std::int64_t history = 0;  // at `to`
    std::int64_t facts = 0;
    bool is_full = false;                           // there may be more in the window
    bool has_unknown_form = false;                  // of the first one that is not in it
    std::map<std::int64_t, std::int64_t> places{};  // by form: of its schema
    std::vector<internal::FactForm> forms{};
    std::string rows{};
};

Feed::Feed(Analytics& analytics, Recorder& recorder, const runtime::Services& services,
           telemetry::Registry& registry)
    : analytics_(analytics),
      recorder_(recorder),
      services_(services),
      registry_(registry),
      backlog_(recorder, analytics.options().lag_max, registry),
      lease_(analytics.options().lease),
      work_(analytics, recorder),
      batches_(registry.counter("loadstone_analytics_batches_total", "",
                                "Batches of facts that this process has brought to the store")),
      carried_(registry.counter("loadstone_analytics_facts_carried_total", "",
                                "Facts that this process has brought to the column store")),
      failures_(registry.counter("loadstone_analytics_feed_failures_total", "",
                                 "Steps of the feed that have failed and are tried again")),
      turns_(registry.counter("loadstone_analytics_turns_total", "",
                              "Epochs in which this process began to feed ClickHouse: one when it "
                              "starts, one for each doubt")),
      failed_merges_(registry.counter("loadstone_analytics_failed_merges_total", "",
                                      "Merges of rollups that have failed in the store")) {}

Feed::~Feed() = default;

void Feed::stop() {
    stopping_ = true;
    stop_event_.set();
}

FeedReport Feed::report() const {
    FeedReport report;
    report.is_carrying = is_carrying_;
    report.waiting = recorder_.waiting();
    report.waiting_max = recorder_.waiting_max();
    report.as_of = backlog_.as_of();
    report.is_late = backlog_.is_late();
    if (report.is_late) report.held_by = backlog_.held_by();
    report.batches = static_cast<std::int64_t>(batches_.value());
    report.facts = static_cast<std::int64_t>(carried_.value());
    report.failures = static_cast<std::int64_t>(failures_.value());
    const internal::StoreReport store = analytics_.store().report();
    report.store = store.name;
    report.restarts = store.restarts;
    report.store_process = store.pid;
    report.file_bytes = store.bytes;
    report.failed_merges = static_cast<std::int64_t>(failed_merges_.value());
    const std::lock_guard lock(mutex_);
    report.failure = failure_;
    return report;
}

Task<void> Feed::run() {
    bool is_failing = false;
    while (!stopping_) {
        Context context(services_, Deadline::in(step_deadline));
        context.reading().freshness = runtime::latest;
        milliseconds pause = analytics_.options().poll_every;
        try {
            const bool has_more = co_await step(context);
            if (has_more) pause = milliseconds(0);
            if (is_failing) log::info("facts are carried to the column store again");
            is_failing = false;
            turns_taken_ = 0;
            note_failure({});
        } catch (const Error& error) {
            failures_.add();
            has_begun_ = false;
            note_failure(error.message());
            // An epoch of a shared store is for good, and so is another history: they are not tried
            // for ever at this pace.
            if (error.code() == Errc::data_loss) ++turns_taken_;
            pause = pause_after_failure * (1 << std::min(turns_taken_, doublings_max));
            if (!is_failing)
                log::warning("facts wait: they cannot be carried to the column store",
                             {{"error", error.message()}});
            is_failing = true;
        }
        const Deadline next = Deadline::in(pause);
        if (pause.count() > 0) co_await stop_event_.wait(next);
    }
    co_await leave();
}

Task<void> Feed::leave() {
    Context context(services_, Deadline::in(leave_deadline));
    try {
        co_await lease_.leave(context);
    } catch (const Error&) {
        // It runs out by itself.
    }
}

Task<bool> Feed::step(Context& context) {
    if (!forms_are_declared_) {
        for (const FactTable& table : recorder_.tables()) {
            Form form{table.schema.id, table.schema.fact, to_text(table.schema.columns)};
            co_await context.write(declare_form, form);
        }
        forms_are_declared_ = true;
    }
    bool is_full = false;
    const bool owner = co_await is_owner(context);
    is_carrying_ = owner;
    if (owner) {
        const internal::StoreReport store = analytics_.store().report();
        failed_merges_.add(static_cast<std::uint64_t>(store.failed_merges) -
                           failed_merges_.value());
        if (!has_begun_ || store.restarts != restarts_) {
            is_carrying_ = co_await begin(context);
            if (!is_carrying_) co_return false;
        }
        restarts_ = store.restarts;
        is_full = co_await carry(context);
        // Under a steady load there is always more to carry: the two take turns.
        const bool has_work = co_await work_.step(context, position_, lease_.term());
        is_full = is_full || has_work;
    }
    co_return is_full;
}

// Does this server carry? It holds the folder's lock and the folder's store is the one that is
// named, or none is named yet; or it is the one that feeds a shared store.
Task<bool> Feed::is_owner(Context& context) {
    if (!analytics_.store().is_shared()) co_return co_await is_of_this_folder(context);
    const bool is_free = co_await lease_.is_ours_or_free(context);
    has_begun_ = has_begun_ && lease_.term().epoch != 0;
    if (!is_free) co_await look_at_shared(context);
    co_return is_free;
}

Task<bool> Feed::begin(Context& context) {
    Reader reader = context.reader();
    FeedState noted;
    if (const auto found = co_await reader.maybe<FeedState>(sql::feed_state)) noted = *found;
    auto ask = [this] { return analytics_.store().state(hello_timeout_ms); };
    StoreState state = co_await analytics_.feeding().run(context, ask);
    const bool has_turn = lease_.term().epoch != 0 && analytics_.store().has_turn();
    if (analytics_.store().is_shared() && !has_turn) {
        // An epoch shuts out whoever feeds the store: not if it is another database's.
        if (noted.store.empty()) noted.store = state.store;
        co_await require_same_past(context, noted, state);
        ++turns_taken_;
        co_await lease_.take(context, state.epoch + 1);
        auto take = [&] {
            state = analytics_.store().begin(lease_.term().epoch, begin_timeout_ms);
        };
        co_await internal::run_in_term(context, analytics_.feeding(), lease_.term(), take);
        turns_.add();
    }
    co_await context.write(begin_feed, state.store, lease_.term());
    noted = co_await reader.one<FeedState>(sql::feed_state);
    if (noted.store != state.store && !analytics_.store().is_shared()) {
        co_await leave_to(context, noted);
        co_return false;
    }
    co_await require_same_past(context, noted, state);
    analytics_.open();
    co_await declare_rollups(context);
    store_ = state.store;
    position_ = state.position;
    history_ = state.history;
    as_of_done_ = state.as_of;
    const Carried begun{store_, position_, state.as_of, history_};
    const std::string holder = internal::holder_of(analytics_.options());
    co_await context.write(note_begun, begun, holder, lease_.term());
    has_begun_ = true;
    co_return true;
}

// Before anything is carried: a rollup is true from the first fact on.
Task<void> Feed::declare_rollups(Context& context) {
    std::vector<internal::FormRollup> rollups;
    for (const FactTable& table : recorder_.tables()) {
        for (const NamedRollup& each : table.rollups)
            rollups.push_back({{&table.schema, table.back_fill.key}, each.name, &each.rollup});
    }
    const int timeout_ms = static_cast<int>(analytics_.options().apply_timeout.count());
    auto declare = [&] { analytics_.store().declare(rollups, timeout_ms); };
    co_await internal::run_in_term(context, analytics_.feeding(), lease_.term(), declare);
}

// Those of other versions of this program come with their processes.
Task<void> Feed::read_forms(Context& context, const Batch& batch) {
    const std::size_t known = forms_.size();
    Reader reader = context.reader();
    const auto forms = co_await reader.many<Form>(sql::forms);
    for (const Form& form : forms) {
        Schema schema = schema_from(form.fact, form.members);
        if (schema.id != form.id)
            throw Error(Errc::data_loss, fmt::format("form {} of fact {} is not what its hash says",
                                                     form.id, form.fact));
        forms_.try_emplace(form.id, std::move(schema));
    }
    if (forms_.size() == known && batch.facts == 0)
        throw Error(Errc::unavailable, "a fact is of a form that no process has declared yet");
}

std::string Feed::key_of(const std::string& fact) const {
    const auto& tables = recorder_.tables();
    const auto at = std::ranges::find_if(
        tables, [&](const FactTable& table) { return table.schema.fact == fact; });
    return at == tables.end() ? std::string() : at->back_fill.key;
}

// What is behind `batch.to` in its window, up to the limits.
Task<void> Feed::read_rows(Context& context, Batch& batch) {
    const std::int64_t limit = analytics_.options().batch_facts;
    std::int64_t found = 0;
    auto take = [&](const StoredFact& fact) {
        ++found;
        if (batch.has_unknown_form || batch.rows.size() >= batch_bytes_max) {
            batch.is_full = true;
            return;
        }
        const auto form = forms_.find(fact.form);
        if (form == forms_.end()) {  // it, and what is behind it, waits
            batch.has_unknown_form = batch.is_full = true;
            return;
        }
        const auto [place, is_new] =
            batch.places.try_emplace(fact.form, static_cast<std::int64_t>(batch.places.size()));
        if (is_new) batch.forms.push_back({&form->second, key_of(form->second.fact)});
        WireWriter to(batch.rows);
        to.integer(place->second);
        to.text({reinterpret_cast<const char*>(fact.body.data()), fact.body.size()});
        batch.to.seq = fact.seq;
        batch.history = internal::next_history(batch.history, fact);
        ++batch.facts;
    };
    Reader reader = context.reader();
    const Position at = batch.to;
    co_await reader.each<StoredFact>(sql::facts_of_window, take, at.low, at.high, at.seq, limit);
    batch.is_full = batch.is_full || found == limit;
}

// From the window of the position; if that has no more, from the next one, which ends at the oldest
// running transaction. A next one without facts is not begun: it grows until it has some.
Task<Feed::Batch> Feed::read_batch(Context& context) {
    Reader reader = context.reader();
    const std::int64_t clock = Timestamp::now().micros;
    const auto now = co_await reader.one<internal::Transactions>(sql::transactions_now);
    const std::int64_t seen_as_of = horizon_.look(clock, now.oldest, now.next);
    Batch batch;
    batch.from = batch.to = position_;
    batch.history = history_;
    const bool is_one_window = now.next == 0;  // SQLite
    if (is_one_window) window_as_of_ = seen_as_of;
    co_await read_rows(context, batch);
    if (batch.facts == 0 && !batch.is_full && batch.to.high < now.oldest) {
        batch.to = {batch.to.high, now.oldest, 0};
        window_as_of_ = seen_as_of;
        co_await read_rows(context, batch);
    }
    if (!batch.is_full) as_of_done_ = window_as_of_;
    if (batch.has_unknown_form) co_await read_forms(context, batch);
    co_return batch;
}

Task<bool> Feed::carry(Context& context) {
    Batch batch = co_await read_batch(context);
    const std::int64_t as_of = as_of_done_;
    if (batch.facts == 0) {
        // Nothing new is news, too: how fresh the store is.
        auto tell = [&] { analytics_.store().touch(position_, as_of, hello_timeout_ms); };
        co_await analytics_.feeding().run(context, tell);
        backlog_.note_shown(as_of);
        co_return batch.is_full;
    }
    const internal::FactBatch facts{batch.from, batch.to,    batch.history,
                                    as_of,      batch.forms, batch.rows};
    const int timeout_ms = static_cast<int>(analytics_.options().apply_timeout.count());
    auto apply = [&] { analytics_.store().apply(facts, timeout_ms); };
    co_await internal::run_in_term(context, analytics_.feeding(), lease_.term(), apply);
    position_ = batch.to;
    history_ = batch.history;
    batches_.add();
    carried_.add(static_cast<std::uint64_t>(batch.facts));
    backlog_.note_shown(as_of);
    const Carried carried{store_, position_, as_of, history_};
    co_await context.write(note_carried, carried, lease_.term());
    co_return batch.is_full;
}

}  // namespace loadstone::analytics
