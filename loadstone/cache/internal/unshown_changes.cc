#include "loadstone/cache/internal/unshown_changes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/sql.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/permit.h"
#include "loadstone/store/reader.h"

namespace loadstone::cache::internal {

namespace {

struct Shown {
    std::string history;
    std::optional<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(Shown, (), (history, tags))

constexpr std::size_t leaders_max = 64;  // one, and those that are about to be gone

// Whether there surely is such a position: a poll of the same history was as far.
bool is_real(const UnshownChanges::Unsure& unsure) {
    const runtime::Position polled = unsure.shown.position;
    return unsure.seen.history == polled.history && unsure.seen.at <= polled.at;
}

}  // namespace

struct UnshownChanges::Told {
    runtime::Position seen;   // asked at
    bool is_certain = false;  // a server that shows all of it has told
    bool is_known = false;    // a server has told that shows all that there is to be shown
    bool are_all = false;     // all may have changed
    Tags tags{};              // in order

    bool touch(const Tags& other) const {
        const auto is_told = [&](Tag tag) { return std::ranges::binary_search(tags, tag); };
        return are_all || std::ranges::any_of(other, is_told);
    }
};

struct UnshownChanges::Question {
    Unsure unsure;
    runtime::Event answered;
    std::shared_ptr<const Told> told;
    std::exception_ptr failure;  // of the database; neither: who asked is gone

    // With the same epoch polls have shown the same changes.
    bool does_for(const Unsure& other) const {
        return other.seen <= unsure.seen && other.shown.epoch == unsure.shown.epoch;
    }
    // Whether it does for more of those who come than the other.
    bool is_after(const Question& other) const {
        return std::pair(unsure.shown.epoch, unsure.seen) >
               std::pair(other.unsure.shown.epoch, other.unsure.seen);
    }
    // An older poll did not show what a newer one did not.
    void widen(const Unsure& other) {
        unsure.seen = std::max(unsure.seen, other.seen);
        if (other.shown.epoch < unsure.shown.epoch) unsure.shown = other.shown;
    }
};

UnshownChanges::UnshownChanges(store::Database& database, std::chrono::seconds kept,
                               telemetry::Registry& registry)
    : database_(database),
      kept_(kept),
      questions_(registry.counter("loadstone_cache_ahead_questions_total", "",
                                  "Questions for changes that no poll shows yet")),
      untold_(registry.counter("loadstone_cache_ahead_untold_total", "",
                               "Reads of views given as polls left them, since no server could "
                               "tell of more")),
      turn_(1, leaders_max) {}

Task<UnshownChanges::Touch> UnshownChanges::touch(Context& context, Unsure unsure, Tags tags) {
    std::shared_ptr<const Told> told;
    if (is_real(unsure)) told = co_await shared(context, unsure);
    if (!told || (!told->is_certain && told->seen != unsure.seen))
        told = co_await ask(context, unsure);
    if (told->touch(tags))
        co_return told->is_known && !told->is_certain ? Touch::soon : Touch::unshown;
    if (!told->is_known) untold_.add();
    co_return Touch::none;
}

Task<std::shared_ptr<const UnshownChanges::Told>> UnshownChanges::shared(Context& context,
                                                                         const Unsure& unsure) {
    for (;;) {
        std::shared_ptr<Question> question;
        bool is_mine = false;
        {
            const std::scoped_lock lock(mutex_);
            if (answered_ && answered_->does_for(unsure)) co_return answered_->told;
            if (asked_ && asked_->does_for(unsure)) {
                question = asked_;
            } else if (next_) {
                next_->widen(unsure);
                question = next_;
            } else {
                next_ = question = std::make_shared<Question>();
                question->unsure = unsure;
                is_mine = true;
            }
        }
        if (is_mine) {
            co_await take_turn(context, question);
            co_return question->told;
        }
        const bool is_answered = co_await question->answered.wait(context.deadline());
        if (!is_answered)
            throw Error(Errc::deadline_exceeded, "waiting for what no poll has shown");
        context.throw_if_done("what no poll has shown");
        if (question->failure) std::rethrow_exception(question->failure);
        if (question->told) co_return question->told;
    }
}

Task<void> UnshownChanges::take_turn(Context& context, std::shared_ptr<Question> question) {
    // However this ends, those who wait are told: a coroutine that is destroyed tells them too.
    struct Answering {
        UnshownChanges& changes;
        std::shared_ptr<Question> question;
        ~Answering() {
            const auto& told = question->told;
            const bool is_of_use = told && told->is_certain && !told->are_all;
            {
                const std::scoped_lock lock(changes.mutex_);
                if (changes.next_ == question) changes.next_.reset();
                if (changes.asked_ == question) changes.asked_.reset();
                const auto& before = changes.answered_;
                if (is_of_use && (!before || question->is_after(*before)))
                    changes.answered_ = question;
            }
            question->answered.set();
        }
    } answering{*this, question};
    const runtime::Acquired acquired = co_await turn_.acquire(context.deadline());
    if (acquired != runtime::Acquired::yes)
        throw Error(Errc::deadline_exceeded, "waiting for what no poll has shown");
    const runtime::Permit turn(turn_);
    Unsure unsure;
    {
        const std::scoped_lock lock(mutex_);
        asked_ = std::exchange(next_, nullptr);
        unsure = question->unsure;
    }
    try {
        question->told = co_await ask(context, unsure);
    } catch (const Error& error) {
        // Its own end is no reason for others to fail.
        if (error.code() != Errc::cancelled && error.code() != Errc::deadline_exceeded)
            question->failure = std::current_exception();
        throw;
    }
}

// Of a replica at the position; where there is none, of the primary, or of the furthest replica.
Task<std::shared_ptr<const UnshownChanges::Told>> UnshownChanges::ask(Context& caller,
                                                                      Unsure unsure) {
    questions_.add();
    Context context(caller.services(), caller.deadline());
    auto& reading = context.reading();
    reading.begin_at(unsure.seen);
    // Rather what some replica shows than none.
    reading.stale_max = kept_;
    Reader reader(context, database_.read_connection(), runtime::own_writes);
    auto told = std::make_shared<Told>();
    told->seen = unsure.seen;
    Shown shown;
    try {
        shown = co_await reader.one<Shown>(sql::changed_since, unsure.shown.state);
    } catch (const Error& error) {
        if (error.code() != Errc::unavailable) throw;
        co_return told;
    }
    told->is_known = !reading.stale();
    told->is_certain = told->is_known && reading.replacements() == 0;
    if (shown.tags) told->tags = tags_from(*shown.tags);
    std::ranges::sort(told->tags);
    // The numbers of transactions of another history are those of others.
    told->are_all = !shown.tags || shown.history != unsure.shown.history ||
                    std::ranges::binary_search(told->tags, everything);
    co_return told;
}

}  // namespace loadstone::cache::internal
