#include "loadstone/cache/follower.h"

#include <algorithm>
#include <charconv>

#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/sql.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/permit.h"
#include "loadstone/store/tx.h"

namespace loadstone::cache {

namespace {

struct Start {
    std::string state, history;
};
BOOST_DESCRIBE_STRUCT(Start, (), (state, history))

struct Change {
    std::string state, history;
    std::int64_t running = 0;
    std::optional<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(Change, (), (state, history, running, tags))

constexpr std::chrono::seconds state_every{60};
// Tags since a snapshot, 8 bytes each; more count as all.
constexpr std::size_t changes_max = 1 << 20;
constexpr std::size_t changes_few = 100;  // of sql::follow, which gives no more
constexpr std::size_t unsure_max = 64;

// PostgreSQL: the oldest transaction that runs in a snapshot, "oldest:next:..".
std::uint64_t oldest_in(const std::string& state) {
    std::uint64_t oldest = 0;
    std::from_chars(state.data(), state.data() + state.size(), oldest);
    return oldest;
}

Task<void> delete_seen(store::Tx& tx, const std::string& state, std::uint64_t& deleted) {
    deleted = co_await tx.exec(sql::prune_changes, state);
}

}  // namespace

Follower::Follower(store::Database& database, const FollowerOptions& options,
                   telemetry::Registry& registry)
    : database_(database),
      commits_(dynamic_cast<store::CommitVersion*>(&database)),
      moments_(database.moments()),
      options_(options),
      polls_(registry.counter("loadstone_cache_polls_total", "",
                              "Questions to the database for what has changed")),
      changes_(registry.counter("loadstone_cache_changes_followed_total", "",
                                "Transactions whose changes were taken in")),
      restarts_(registry.counter("loadstone_cache_restarts_total", "",
                                 "Times that all entries became invalid")),
      pruned_(registry.counter("loadstone_cache_changes_pruned_total", "",
                               "Rows of loadstone_changes that were deleted")),
      turn_(1, options.waiters_max),
      versions_(options.versions) {}

bool Follower::is_current() {
    if (commits_ == nullptr) return false;
    const auto began = Clock::now();
    const auto version = commits_->commit_version();
    if (!version) return false;
    const std::scoped_lock lock(mutex_);
    if (version != commit_version_) return false;
    followed_at_ = std::max(followed_at_, began);
    return true;
}

struct Follower::Question {
    runtime::Event answered;
    bool is_known = false;
    std::exception_ptr failure;  // of the database; neither: who asked is gone
};

Task<void> Follower::catch_up(Context& context) {
    for (;;) {
        std::shared_ptr<Question> question;
        bool is_mine = false;
        {
            const std::scoped_lock lock(mutex_);
            if (waiting_ >= options_.waiters_max)
                throw Error(Errc::unavailable, "too many wait for what has changed in the database")
                    .with_retry_after(std::chrono::seconds(1));
            is_mine = next_ == nullptr;
            if (is_mine) next_ = std::make_shared<Question>();
            question = next_;
            ++waiting_;
        }
        struct Waiting {
            Follower& follower;
            ~Waiting() {
                const std::scoped_lock lock(follower.mutex_);
                --follower.waiting_;
            }
        } waiting{*this};
        if (is_mine) {
            co_await ask(context, question);
            co_return;
        }
        const bool is_answered = co_await question->answered.wait(context.deadline());
        if (!is_answered)
            throw Error(Errc::deadline_exceeded, "waiting for what has changed in the database");
        context.throw_if_done("what has changed in the database");
        if (question->failure) std::rethrow_exception(question->failure);
        if (question->is_known) co_return;
    }
}

Task<void> Follower::ask(Context& context, std::shared_ptr<Question> question) {
    // However this ends, those who wait are told: a coroutine that is destroyed tells them too.
    struct Answering {
        Follower& follower;
        Question& question;
        ~Answering() {
            {
                const std::scoped_lock lock(follower.mutex_);
                if (follower.next_.get() == &question) follower.next_.reset();
            }
            question.answered.set();
        }
    } answering{*this, *question};
    const runtime::Acquired acquired = co_await turn_.acquire(context.deadline());
    if (acquired != runtime::Acquired::yes)
        throw Error(Errc::deadline_exceeded, "waiting for what has changed in the database");
    const runtime::Permit turn(turn_);
    {
        const std::scoped_lock lock(mutex_);
        next_.reset();
    }
    try {
        co_await poll(context);
    } catch (const Error& error) {
        // Its own end is no reason for others to fail.
        if (error.code() != Errc::cancelled && error.code() != Errc::deadline_exceeded)
            question->failure = std::current_exception();
        throw;
    }
    question->is_known = true;
}

Task<void> Follower::poll(Context& caller) {
    const auto began = Clock::now();
    polls_.add();
    // Before the snapshot: what is committed between the two costs a poll more.
    const auto version = commits_ == nullptr ? std::nullopt : commits_->commit_version();
    const auto moment = moments_ == nullptr ? runtime::Position{} : moments_->begin();
    // Of its own: what it reads is no part of what the caller's session sees.
    Context context(caller.services(), caller.deadline());
    context.reading().freshness = latest;
    std::uint64_t epoch = epoch_;
    bool is_silent = false;
    {
        const std::scoped_lock lock(mutex_);
        is_silent = began - followed_at_ > options_.silent_max;
    }
    Reader reader(context, database_.read_connection(), latest);
    Change last;
    if (has_begun_ && !is_silent) {
        std::vector<std::string> changes;
        auto take_row = [&](const Change& change) {
            if (change.tags) changes.push_back(*change.tags);
            last.state = change.state;
            last.history = change.history;
            last.running = change.running;
        };
        FunctionRef<void(const Change&)> sink = take_row;
        co_await reader.each<Change>(sql::follow, sink, state_);
        if (changes.size() >= changes_few) {
            changes.clear();
            co_await reader.each<Change>(sql::follow_all, sink, state_);
        }
        if (last.history == history_) {
            state_ = last.state;
            epoch = take(changes);
        } else {
            has_begun_ = false;
        }
    }
    if (!has_begun_ || is_silent) {
        const Start start = co_await reader.one<Start>(sql::follow_start);
        state_ = start.state;
        history_ = start.history;
        floor_ = epoch = epoch_ + 1;
        restarts_.add();
        has_begun_ = true;
        last = {};
    } else if (options_.answered && commits_ == nullptr) {
        options_.answered(Clock::now() - began);
    }
    // Together: what reads at `seen_` shows all of the epoch.
    const std::scoped_lock lock(mutex_);
    const bool is_new = epoch != epoch_.exchange(epoch, std::memory_order_release);
    if (moments_ != nullptr) {
        reached_ = seen_ = moment;
    } else {
        note_shown(seen_, last.state, last.running);
        seen_ = context.reading().position();
        if (reached_.history != seen_.history) {
            reached_ = {};
            unsure_.clear();
        }
    }
    if (is_new) begun_at_ = seen_;
    polled_at_ = followed_at_ = began;
    commit_version_ = version;
    now_state_ = state_;
    now_history_ = history_;
    if (states_.empty() || began - states_.back().first >= state_every)
        states_.emplace_back(began, state_);
}

// `before` is where the server was before the snapshot `state`. A commit may have been written up
// to there, and shown by a replica, which the snapshot did not show yet: of a transaction that was
// still about to end, or that waited for a replica.
void Follower::note_shown(runtime::Position before, const std::string& state,
                          std::int64_t running) {
    if (state.empty() || before == runtime::Position::unknown()) return;
    const std::uint64_t oldest = oldest_in(state);
    if (unsure_.size() < unsure_max)
        unsure_.push_back({before, oldest + static_cast<std::uint64_t>(running)});
    for (; !unsure_.empty() && unsure_.front().next <= oldest; unsure_.pop_front())
        reached_ = unsure_.front().before;
}

std::uint64_t Follower::take(const std::vector<std::string>& changes) {
    if (changes.empty()) return epoch_;
    const std::uint64_t epoch = epoch_.load() + 1;
    changes_.add(changes.size());
    for (const std::string& tags : changes) {
        for (const Tag tag : tags_from(tags)) {
            if (tag == everything) {
                floor_ = epoch;
                restarts_.add();
                break;
            }
            versions_[place(tag)].store(epoch, std::memory_order_release);
        }
    }
    return epoch;
}

bool Follower::has_reached(runtime::Position position) const {
    const std::scoped_lock lock(mutex_);
    if (moments_ == nullptr) return position <= reached_;
    return moments_->is_shown(position, reached_);
}

Task<void> Follower::settle(Context& context) {
    const runtime::Position before = context.reading().position();
    co_await catch_up(context);
    const bool is_foreign = moments_ == nullptr
                                ? before.is_moment()
                                : before != runtime::Position{} && !moments_->is_own(before);
    if (!is_foreign || context.reading().position() != before) co_return;
    const std::scoped_lock lock(mutex_);
    context.reading().replace(moments_ == nullptr ? seen_ : reached_);
}

runtime::Position Follower::seen_now(runtime::Position position) const {
    if (moments_ != nullptr) return moments_->seen();
    if (!position.is_moment()) return position;
    const std::scoped_lock lock(mutex_);  // of a process that had no replicas
    return seen_;
}

void Follower::saw(runtime::Reading& reading, runtime::Position seen) const {
    if (moments_ == nullptr)
        reading.saw(seen);
    else
        moments_->saw(reading, seen);
}

Follower::Clock::time_point Follower::followed_at() const {
    const std::scoped_lock lock(mutex_);
    return followed_at_;
}

Follower::Now Follower::now() const {
    const std::scoped_lock lock(mutex_);
    return {epoch_.load(std::memory_order_acquire), seen_, now_history_, now_state_, begun_at_};
}

bool Follower::Changes::touch(std::span<const Tag> other) const noexcept {
    return std::ranges::any_of(other,
                               [&](Tag tag) { return std::ranges::binary_search(tags, tag); });
}

// The statement's snapshot shows all that the last poll's did. So what it does not show has no
// epoch yet, or a newer one than the last poll's.
Task<std::optional<Follower::Changes>> Follower::changes_since(Context& caller, std::string history,
                                                               std::string state) {
    Changes changes{epoch_.load(std::memory_order_acquire)};
    bool is_known = true;
    auto take_row = [&](const Change& change) {
        is_known = is_known && change.history == history;
        if (!change.tags || !is_known) return;
        const Tags tags = tags_from(*change.tags);
        is_known = (tags.empty() || tags.back() != everything) &&
                   changes.tags.size() + tags.size() <= changes_max;
        changes.tags.insert(changes.tags.end(), tags.begin(), tags.end());
    };
    FunctionRef<void(const Change&)> sink = take_row;
    Context context(caller.services(), caller.deadline());
    context.reading().freshness = latest;
    Reader reader(context, database_.read_connection(), latest);
    co_await reader.each<Change>(sql::follow_all, sink, state);
    if (!is_known) co_return std::nullopt;
    std::ranges::sort(changes.tags);
    co_return changes;
}

Task<std::optional<std::uint64_t>> Follower::epoch_of(Context& caller, std::string history,
                                                      std::string state, Tags tags) {
    const auto changes = co_await changes_since(caller, std::move(history), std::move(state));
    if (!changes || changes->touch(tags)) co_return std::nullopt;
    co_return changes->epoch;
}

bool Follower::is_unchanged(std::span<const Tag> tags, std::uint64_t epoch) const noexcept {
    if (epoch < floor_.load(std::memory_order_acquire)) return false;
    for (const Tag tag : tags) {
        if (versions_[place(tag)].load(std::memory_order_acquire) > epoch) return false;
    }
    return true;
}

Task<void> Follower::prune(Context& context) {
    // Where nobody reads a view, or nobody needs a poll, what is written must go all the same.
    bool is_due = false;
    {
        const std::scoped_lock lock(mutex_);
        is_due = Clock::now() - polled_at_ >= state_every;
    }
    if (is_due) co_await catch_up(context);
    std::string state;
    {
        const std::scoped_lock lock(mutex_);
        if (states_.empty() || Clock::now() - states_.front().first < options_.kept) co_return;
        state = states_.front().second;
        states_.pop_front();
    }
    std::uint64_t deleted = 0;
    const store::TxBody body = [&](store::Tx& tx) { return delete_seen(tx, state, deleted); };
    co_await database_.transact(context, body);
    pruned_.add(deleted);
}

}  // namespace loadstone::cache
