// Whose the store is, and what those do who have not it.

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "loadstone/analytics/feed.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/history.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/context_store.h"

namespace loadstone::analytics {

using internal::FeedState;
using internal::StoreState;

namespace {

constexpr int look_timeout_ms = 2'000;
constexpr std::chrono::seconds measure_deadline{5};
constexpr const char* remedy =
    "on DuckDB questions are answered where the store is: give the servers one data folder, or "
    "set analytics.store to a ClickHouse server";

std::string told_of(const FeedState& named) {
    return fmt::format("the facts of this database are in the column store of {}; {}",
                       named.holder.empty() ? "another server" : named.holder, remedy);
}

}  // namespace

std::string lateness_of(const FeedReport& report) {
    if (!report.is_late) return {};
    std::string text = "the column store's state is ";
    const auto age = Timestamp::now() - report.as_of;
    text += report.as_of.micros == 0
                ? "not known yet"
                : fmt::format("{:.0f} s old", static_cast<double>(age.count()) / 1e6);
    text += fmt::format(", beyond analytics.lag_max_ms; {} facts wait", report.waiting);
    if (!report.failure.empty()) text += fmt::format(": {}", report.failure);
    if (!report.held_by.empty())
        text += fmt::format("; the oldest transaction is {}", report.held_by);
    return text + "\n";
}

void Feed::note_failure(std::string why) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(why);
}

Task<void> Feed::run_measuring() {
    while (!stopping_) {
        Context context(services_, Deadline::in(measure_deadline));
        context.reading().freshness = runtime::latest;
        try {
            co_await measure(context);
        } catch (const Error& error) {
            // Most often the database is away: so are those who would record.
            if (const auto unsaid = measure_complaints_.take(Deadline::Clock::now()))
                log::warning("how many facts wait could not be measured; the last count holds",
                             {{"error", error.message()}, {"unsaid", *unsaid}});
        }
        const Deadline next = Deadline::in(analytics_.options().poll_every);
        co_await stop_event_.wait(next);
    }
}

// A folder without a store gets one if the database names none.
Task<bool> Feed::is_of_this_folder(Context& context) {
    Reader reader = context.reader();
    FeedState named;
    if (const auto noted = co_await reader.maybe<FeedState>(sql::feed_state)) named = *noted;
    if (named.store != store_) has_begun_ = false;
    if (!named.store.empty() && named.store == named_elsewhere_) co_return false;
    internal::ColumnStore& store = analytics_.store();
    if (!store.is_made_here()) {
        if (!named.store.empty()) {
            co_await leave_to(context, named);
            co_return false;
        }
        if (!analytics_.options().makes_store) {
            analytics_.close(
                fmt::format("no server that runs jobs has made a column store; {}", remedy));
            co_return false;
        }
    }
    named_elsewhere_.clear();
    auto keep = [&store] { return store.keep_running(); };
    const bool has_lock = co_await analytics_.feeding().run(context, keep);
    if (!has_lock) analytics_.open();  // another server of the folder has told the store's process
    co_return has_lock;
}

// The store is another server's: said once, and nothing is tried any more.
Task<void> Feed::leave_to(Context& context, FeedState named) {
    co_await shut(context, told_of(named));
    named_elsewhere_ = named.store;
    log::info("another server has the column store with the facts of this database",
              {{"holder", named.holder}, {"remedy", remedy}});
}

Task<void> Feed::shut(Context& context, std::string why) {
    analytics_.close(std::move(why));
    auto end = [this] { analytics_.store().shut(); };
    co_await analytics_.feeding().run(context, end);
}

// One that another server feeds: the same that this one asks?
Task<void> Feed::look_at_shared(Context& context) {
    Reader reader = context.reader();
    const auto named = co_await reader.maybe<FeedState>(sql::feed_state);
    if (!named || named->store == seen_) co_return;
    auto ask = [this] { return analytics_.store().state(look_timeout_ms); };
    const StoreState state = co_await analytics_.feeding().run(context, ask);
    if (state.store == named->store)
        analytics_.open();
    else
        analytics_.close("the database names another ClickHouse database than analytics.store");
    seen_ = named->store;
}

// Errors: conflict for another store; as internal::require_same_past. Then nobody is answered.
Task<void> Feed::require_same_past(Context& context, FeedState noted, StoreState state) {
    std::optional<Error> refusal;
    if (noted.store != state.store) {
        refusal.emplace(Errc::conflict,
                        "the facts of this database go to another column store than the one that "
                        "analytics.store names");
    } else {
        try {
            co_await internal::require_same_past(context.reader(), noted, state);
            co_return;
        } catch (const Error& error) {
            refusal = error;
        }
    }
    const bool is_for_good = refusal->code() == Errc::data_loss || noted.store != state.store;
    if (is_for_good) co_await shut(context, refusal->message());
    throw Error(*refusal);
}

}  // namespace loadstone::analytics
