#include "loadstone/store/postgres/internal/connector.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/store/postgres/internal/sqlstate.h"

namespace loadstone::store::postgres {

namespace {

constexpr std::chrono::milliseconds look_again{20};
constexpr std::chrono::milliseconds look_for_slot{5};

}  // namespace

std::string Connector::name_of(const Parameters& endpoint) {
    std::string name;
    for (const std::string_view keyword : {"host", "hostaddr", "port"}) {
        const std::string* const value = find(endpoint, keyword);
        name += fmt::format("{} ", value == nullptr ? "" : *value);
    }
    return name;
}

Connector::Connector(const Target& target, Use use, const DatabaseOptions& options,
                     telemetry::Registry& registry, std::shared_ptr<ConnectionBudget> budget,
                     MayUse may_use)
    : parameters_(parameters_for(target, use, options)),
      shown_(target.shown),
      use_(use),
      budget_(std::move(budget)),
      may_use_(std::move(may_use)),
      connect_timeout_(options.connect_timeout),
      outage_patience_(options.outage_patience),
      random_(reinterpret_cast<std::uintptr_t>(this) ^
              static_cast<std::uint64_t>(Deadline::Clock::now().time_since_epoch().count())),
      connects_(registry.counter("loadstone_postgres_connects_total",
                                 telemetry::metric_label("use", to_string(use)),
                                 "Connections opened")),
      connect_failures_(registry.counter("loadstone_postgres_connect_failures_total",
                                         telemetry::metric_label("use", to_string(use)),
                                         "Tries to connect that failed")),
      refused_(registry.counter("loadstone_postgres_connects_refused_total",
                                telemetry::metric_label("use", to_string(use)),
                                "Tries to connect to a server that had no connection left")),
      slot_waits_(registry.counter("loadstone_postgres_connection_waits_total",
                                   telemetry::metric_label("use", to_string(use)),
                                   "Connections that waited for the budget to allow them")) {}

bool Connector::is_away() const noexcept {
    return failures_ > 0 && !is_crowded_ &&
           Deadline::Clock::now() - failing_since_ >= outage_patience_;
}

Error Connector::unreachable() const {
    if (!last_failure_.empty()) return unavailable(last_failure_);
    if (waits_for_slot_)
        return unavailable(fmt::format(
            "all connections to the database at {} that this process may have for this use are in "
            "use",
            shown_));
    return unavailable(fmt::format("the database at {} cannot be reached", shown_));
}

// Empty where nothing is budgeted.
Task<ConnectionBudget::Slot> Connector::slot(Deadline deadline, Purpose purpose) {
    if (budget_ == nullptr) co_return ConnectionBudget::Slot();
    bool has_waited = false;
    for (;;) {
        auto taken = budget_->try_open(purpose);
        waits_for_slot_ = !taken;
        if (taken) co_return std::move(*taken);
        if (!std::exchange(has_waited, true)) slot_waits_.add();
        if (is_stopped_.load(std::memory_order_relaxed))
            throw unavailable("the store has been stopped");
        if (deadline.passed()) throw unreachable();
        const Deadline pause = Deadline::in(look_for_slot).sooner(deadline);
        co_await runtime::sleep_until(pause);
    }
}

Task<ConnectionHandle> Connector::open(Deadline deadline, Purpose purpose) {
    const auto self = shared_from_this();
    ConnectionBudget::Slot held = co_await slot(deadline, purpose);
    for (;;) {
        if (is_stopped_.load(std::memory_order_relaxed)) {
            throw unavailable("the store has been stopped");
        }
        const auto now = Deadline::Clock::now();
        if (deadline.instant() <= now) throw unreachable();
        // While it fails, one tries for all.
        if (failures_ > 0 && (tries_under_way_ > 0 || now < next_try_)) {
            const auto soon = tries_under_way_ > 0 ? now + look_again : next_try_;
            const Deadline pause(
                std::min({soon, now + std::chrono::milliseconds(100), deadline.instant()}));
            co_await runtime::sleep_until(pause);
            continue;
        }
        ConnectionHandle connection = co_await try_endpoints();
        if (connection == nullptr) continue;
        connection.get_deleter().slot = std::move(held);
        co_return connection;
    }
}

// Null when it failed: then the next try is due at next_try_.
Task<ConnectionHandle> Connector::try_endpoints() {
    struct Trying {
        explicit Trying(int& tries) : under_way(tries) { ++under_way; }
        ~Trying() { --under_way; }
        int& under_way;
    };
    const Trying trying(tries_under_way_);
    std::optional<Error> failure;
    try {
        const std::vector<Parameters> all = co_await endpoints();
        const auto share = std::max<std::chrono::milliseconds>(
            connect_timeout_ / static_cast<int>(std::max<std::size_t>(1, all.size())),
            std::min(connect_timeout_, std::chrono::milliseconds(1'000)));
        for (const Parameters& endpoint : all) {
            try {
                const Deadline by = Deadline::in(share);
                ConnectionHandle connection = co_await dial(endpoint, by);
                last_good_ = name_of(endpoint);
                succeeded();
                co_return connection;
            } catch (const Error& error) {
                failure = error;
            }
        }
    } catch (const Error& error) {
        failure = error;
    }
    failed(failure.value_or(unreachable()));
    co_return nullptr;
}

void Connector::succeeded() noexcept {
    connects_.add();
    if (std::exchange(is_told_, false)) {
        log::info("the database is reached again",
                  {{"database", shown_}, {"use", to_string(use_)}, {"tries", failures_ + 1}});
    }
    failures_ = 0;
    last_failure_.clear();
}

void Connector::failed(const Error& why) {
    connect_failures_.add();
    const bool was_crowded =
        std::exchange(is_crowded_, says_no_connection_left(why.message())) && failures_ > 0;
    if (is_crowded_) refused_.add();
    last_failure_ = why.message();
    const auto doubled = first_pause * (1 << std::min(failures_, 6));
    const auto pause = std::min<std::chrono::milliseconds>(doubled, longest_pause);
    // Between half and all of it.
    const auto jittered = std::chrono::duration_cast<Deadline::Clock::duration>(
        pause * (0.5 + random_.uniform() / 2));
    next_try_ = Deadline::Clock::now() + jittered;
    if (failures_ == 0 || (was_crowded && !is_crowded_)) failing_since_ = Deadline::Clock::now();
    if (failures_++ > 0 || is_stopped_.load(std::memory_order_relaxed)) return;
    // Each connection may be opened, and then turn out to be useless.
    if (const auto unsaid = complaints_.take(Deadline::Clock::now())) {
        is_told_ = true;
        log::warning(
            is_crowded_ ? "the database has no connection left" : "the database cannot be reached",
            {{"database", shown_},
             {"use", to_string(use_)},
             {"error", why.message()},
             {"unsaid", *unsaid}});
    }
}

}  // namespace loadstone::store::postgres
