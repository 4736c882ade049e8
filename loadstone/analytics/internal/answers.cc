#include "loadstone/analytics/internal/answers.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/runtime/event.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::analytics::internal {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds version_timeout_max{5'000};
// What belongs to a kept answer besides its bytes, about.
constexpr std::uint64_t entry_bytes = 512;
// An answer that takes more of the room than this part of it is not kept.
constexpr std::uint64_t share_max = 8;

telemetry::Counter& counter(telemetry::Registry& registry, std::string_view name,
                            std::string_view help) {
    return registry.counter(fmt::format("loadstone_analytics_answer_{}_total", name), "", help);
}

[[noreturn]] void throw_late() {
    throw Error(Errc::deadline_exceeded, "the deadline passed while another asked the same");
}

}  // namespace

struct Answers::Flight {
    runtime::Event ended;
    std::optional<StoreVersion> known{};  // when it began to ask
    GivenAnswer given{};                  // none: it failed
    std::exception_ptr failure{};         // null: who asked was cancelled, or late
    bool is_bound_askers = false;         // what the store is to answer by: not the options'
};

// Whoever has made a flight tells those who wait of its end, however that comes: a coroutine that
// is destroyed, or has not begun, tells them too.
class Answers::Landing {
public:
    Landing(Answers& answers, const std::string& key, const Look& look)
        : answers_(answers), key_(key), look_(look) {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() {
        if (look_.is_mine) answers_.land(key_, look_.flight);
    }

private:
    Answers& answers_;
    const std::string& key_;
    const Look& look_;
};

Answers::Answers(ColumnStore& store, const Options& options, telemetry::Registry& registry)
    : store_(store),
      bytes_max_(options.answers_bytes_max),
      query_timeout_(options.query_timeout),
      registry_(registry),
      hits_(counter(registry, "hits", "Questions that a kept answer answered")),
      misses_(counter(registry, "misses", "Questions that the column store was asked")),
      waits_(counter(registry, "waits", "Questions that waited for another's answer")),
      evictions_(counter(registry, "evictions", "Kept answers that made room for others")),
      too_large_(counter(registry, "too_large", "Answers that were not kept for their size")) {
    registry.gauge(this, "loadstone_analytics_answer_bytes", "", "Memory of the kept answers",
                   [this] {
                       const std::lock_guard lock(mutex_);
                       return static_cast<double>(bytes_);
                   });
    registry.gauge(this, "loadstone_analytics_answers", "", "Kept answers", [this] {
        const std::lock_guard lock(mutex_);
        return static_cast<double>(kept_.size());
    });
}

Answers::~Answers() { registry_.remove_gauges(this); }

Task<GivenAnswer> Answers::get(Context& context, runtime::Lane& lane,
                               const SharedQuestion& question, Ask ask) {
    for (;;) {
        context.throw_if_done("a question to the column store");
        const std::optional<StoreVersion> known = store_.known_version();
        const Look look = look_for(question.key, known);
        const Landing landing(*this, question.key, look);
        if (look.given.answer) co_return look.given;
        if (look.is_mine) co_return co_await lead(context, lane, question, look, ask);
        waits_.add();
        const std::uint64_t began = telemetry::tsc();
        const bool has_ended = co_await look.flight->ended.wait(context.deadline());
        context.span().waited(telemetry::WaitKind::database,
                              telemetry::tsc_to_ns(telemetry::tsc() - began));
        if (!has_ended) throw_late();
        context.throw_if_done("a question that another asked");
        if (look.flight->failure) std::rethrow_exception(look.flight->failure);
        GivenAnswer given = look.flight->given;
        if (!given.answer) continue;
        const std::optional<StoreVersion>& asked_at = look.flight->known;
        if (known && asked_at && known->is_same(*asked_at))
            given.as_of = std::max(given.as_of, known->as_of);
        co_return given;
    }
}

Answers::Look Answers::look_for(const std::string& key, const std::optional<StoreVersion>& known) {
    const std::lock_guard lock(mutex_);
    Look look;
    if (known) look.given = find(key, *known);
    if (look.given.answer) return look;
    auto next = std::make_shared<Flight>();  // nothing below fails once it is registered
    UnderWay& under_way = under_way_[key];
    const FlightPtr& asking = under_way.asking;
    if (asking && known && asking->known && known->is_same(*asking->known)) {
        look.flight = asking;
        return look;
    }
    look.is_mine = under_way.next == nullptr;
    if (look.is_mine) under_way.next = std::move(next);
    look.flight = under_way.next;
    look.before = asking;
    return look;
}

Task<GivenAnswer> Answers::lead(Context& context, runtime::Lane& lane,
                                const SharedQuestion& question, const Look& look, Ask ask) {
    Flight& flight = *look.flight;
    try {
        if (look.before) {
            const bool has_ended = co_await look.before->ended.wait(context.deadline());
            if (!has_ended) throw_late();
        }
        auto work = [&] { fly(context, question, flight, ask); };
        co_await lane.run(context, work);
    } catch (...) {
        // Its own end is no reason for others to fail.
        const std::exception_ptr failure = std::current_exception();
        const bool is_late = flight.is_bound_askers &&
                             error_from_exception(failure).code() == Errc::deadline_exceeded;
        if (!is_late && !context.is_cancelled() && !context.deadline().passed())
            flight.failure = failure;
        throw;
    }
    co_return flight.given;
}

// On a thread of the lane.
void Answers::fly(Context& context, const SharedQuestion& question, Flight& flight, Ask ask) {
    const std::string& key = question.key;
    {
        const std::lock_guard lock(mutex_);
        UnderWay& under_way = under_way_[key];
        under_way.asking = std::exchange(under_way.next, nullptr);
        flight.known = store_.known_version();
    }
    std::optional<StoreVersion> version;
    if (bytes_max_ > 0) version = version_before(context, question, flight);
    if (version) {
        const std::lock_guard lock(mutex_);
        flight.given = find(key, *version);
        if (flight.given.answer) return;
    }
    misses_.add();
    flight.is_bound_askers = context.deadline().remaining() < query_timeout_;
    auto answer = std::make_shared<StoredAnswer>(ask(version ? version->as_of : 0));
    answer->rows.shrink_to_fit();
    const std::int64_t as_of = answer->as_of;
    if (version) keep(key, *version, answer);
    flight.given = {std::move(answer), as_of};
}

std::optional<StoreVersion> Answers::version_before(Context& context,
                                                    const SharedQuestion& question,
                                                    Flight& flight) {
    const milliseconds left = context.deadline().remaining();
    const milliseconds timeout = std::min({version_timeout_max, query_timeout_, left});
    flight.is_bound_askers = timeout == left;
    try {
        // To the store's client 0 is no bound.
        if (timeout <= milliseconds(0))
            throw Error(Errc::deadline_exceeded, "no time is left for the column store's answer");
        return store_.version(static_cast<int>(timeout.count()));
    } catch (const Error& error) {
        throw Error(error.code(), fmt::format("{}: {}", question.name, error.message()));
    }
}

void Answers::land(const std::string& key, const FlightPtr& flight) noexcept {
    {
        const std::lock_guard lock(mutex_);
        const auto found = under_way_.find(key);
        UnderWay& under_way = found->second;
        (under_way.asking == flight ? under_way.asking : under_way.next).reset();
        if (!under_way.asking && !under_way.next) under_way_.erase(found);
    }
    flight->ended.set();
}

// Under the lock, all below but keep().
GivenAnswer Answers::find(const std::string& key, const StoreVersion& version) {
    const auto found = at_.find(key);
    if (found == at_.end() || !found->second->version.is_same(version)) return {};
    hits_.add();
    kept_.splice(kept_.begin(), kept_, found->second);
    const auto& answer = found->second->answer;
    return {answer, std::max(answer->as_of, version.as_of)};
}

void Answers::keep(const std::string& key, const StoreVersion& version,
                   std::shared_ptr<const StoredAnswer> answer) {
    const std::uint64_t bytes = key.size() + answer->rows.size() + entry_bytes;
    const std::lock_guard lock(mutex_);
    if (const auto former = at_.find(key); former != at_.end()) drop(former->second);
    if (bytes > bytes_max_ / share_max) {
        too_large_.add();
        return;
    }
    while (bytes_ + bytes > bytes_max_) {
        evictions_.add();
        drop(std::prev(kept_.end()));
    }
    kept_.push_front({key, version, std::move(answer), bytes});
    at_.emplace(kept_.front().key, kept_.begin());
    bytes_ += bytes;
}

void Answers::drop(KeptList::iterator kept) {
    bytes_ -= kept->bytes;
    at_.erase(kept->key);
    kept_.erase(kept);
}

}  // namespace loadstone::analytics::internal
