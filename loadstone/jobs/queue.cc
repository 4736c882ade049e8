#include "loadstone/jobs/queue.h"

#include <algorithm>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/keys.h"

namespace loadstone::jobs {

namespace internal {

std::string kind_of(std::string_view qualified_type_name) {
    const auto type = qualified_type_name.rfind("::");
    if (type == std::string_view::npos) return std::string(qualified_type_name);
    const auto space = qualified_type_name.rfind("::", type - 1);
    const auto begin = space == std::string_view::npos ? 0 : space + 2;
    std::string kind(qualified_type_name.substr(begin, type - begin));
    kind += '.';
    kind += qualified_type_name.substr(type + 2);
    return kind;
}

}  // namespace internal

namespace {

bool is_same(const Limit& a, const Limit& b) {
    return a.running_max == b.running_max && a.per_second == b.per_second && a.burst == b.burst &&
           a.is_in_order == b.is_in_order;
}

std::int64_t steady_ms() {
    const auto now = runtime::Clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

constexpr std::int64_t depth_every_ms = 1'000;

KindMeters meters_of(const Kind& kind, telemetry::Registry& registry) {
    const std::string labels = telemetry::metric_label("queue", kind.queue) + "," +
                               telemetry::metric_label("kind", kind.name);
    const auto counter = [&](std::string_view name, std::string_view help) {
        return &registry.counter(name, labels, help);
    };
    KindMeters meters;
    meters.retried =
        counter("loadstone_jobs_retried_total", "Runs that failed and will be tried again");
    meters.snoozed =
        counter("loadstone_jobs_snoozed_total", "Runs put off because the world was not ready");
    meters.buried = counter("loadstone_jobs_buried_total", "Jobs moved to the dead letters");
    meters.limited = &registry.counter("loadstone_jobs_limited_total",
                                       telemetry::metric_label("queue", kind.queue),
                                       "Times that a limit held up jobs that were ready");
    meters.wait = &registry.histogram("loadstone_jobs_wait_seconds", labels,
                                      "From when a job could run to when it was claimed");
    return meters;
}

}  // namespace

Queue::Queue(Declarations declared, store::Database& database, telemetry::Registry& registry)
    : kinds_(std::move(declared.kinds)),
      recurring_(std::move(declared.recurring)),
      database_(&database),
      rejected_(&registry.counter("loadstone_jobs_rejected_total", "",
                                  "Enqueues refused because their queue was over its bound")),
      delayed_(&registry.counter("loadstone_jobs_delayed_total", "",
                                 "Jobs put off because their queue was over its bound")),
      merged_(&registry.counter("loadstone_jobs_merged_total", "",
                                "Enqueues of a unique kind whose key was taken")),
      woken_(std::make_shared<Woken>()) {
    std::sort(kinds_.begin(), kinds_.end(),
              [](const auto& a, const auto& b) { return a->name < b->name; });
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
        LOADSTONE_ASSERT(i == 0 || kinds_[i - 1]->name != kinds_[i]->name,
                         "one handler for a job kind");
        Kind& kind = *kinds_[i];
        kind.label = registry.add_label(telemetry::LabelKind::job, kind.name, kind.module);
        kind.label_name = kind.name;
        const auto of = modules_.emplace(kind.queue, kind.module).first;
        LOADSTONE_ASSERT(of->second == kind.module, "a queue is of one module");
        for (const KindLimit& each : kind.limits) {
            const auto known = limits_.emplace(each.limit.name, each.limit).first;
            LOADSTONE_ASSERT(is_same(known->second, each.limit), "a limit is declared in one way");
        }
        if (kind.bound > 0) depths_[&kind];
        LOADSTONE_ASSERT(kind.over_bound != OverBound::merge || kind.is_unique,
                         "what is merged over a bound has a unique key");
        LOADSTONE_ASSERT(
            kind.unique_while == UniqueWhile::waits_or_runs || kind.unique_for.count() == 0,
            "a key is taken for a time or until its job begins");
    }
    for (const auto& [name, module] : modules_) queue_modules_.push_back(module);
    for (const auto& kind : kinds_) {
        kind->queue_number = number_of(kind->queue);
        kind->meters = meters_of(*kind, registry);
    }
    limits_[std::string(suspect_limit)] = {.name = std::string(suspect_limit), .running_max = 1};
    for (const auto& [event, kind] : declared.subscriptions) subscribers_[event].push_back(kind);
    for (const Recurring& each : recurring_) known(each.kind);
}

const Kind& Queue::known(std::string_view name) const {
    const Kind* found = find(name);
    LOADSTONE_ASSERT(found != nullptr,
                     "a job kind needs a handler in some module before it can be enqueued");
    return *found;
}

const std::string& Queue::module_of(const std::string& queue) const {
    const auto found = modules_.find(queue);
    return found == modules_.end() ? queue : found->second;
}

std::size_t Queue::number_of(const std::string& queue) const {
    const auto found = modules_.find(queue);
    LOADSTONE_ASSERT(found != modules_.end(), "a queue of this program");
    return static_cast<std::size_t>(std::distance(modules_.begin(), found));
}

const std::vector<std::string>& Queue::subscribers(const std::string& event) const {
    static const std::vector<std::string> none;
    const auto found = subscribers_.find(event);
    return found == subscribers_.end() ? none : found->second;
}

bool Queue::wants_depth(const Kind& kind) {
    auto& next = depths_.at(&kind).next_look_ms;
    const std::int64_t now = steady_ms();
    std::int64_t at = next.load();
    return at <= now && next.compare_exchange_strong(at, now + depth_every_ms);
}

void Queue::set_over_bound(const Kind& kind, bool is_over) { depths_.at(&kind).is_over = is_over; }

bool Queue::is_over_bound(const Kind& kind) const { return depths_.at(&kind).is_over; }

const Kind* Queue::find(std::string_view name) const noexcept {
    const auto found =
        std::lower_bound(kinds_.begin(), kinds_.end(), name,
                         [](const auto& kind, std::string_view key) { return kind->name < key; });
    return found != kinds_.end() && (*found)->name == name ? found->get() : nullptr;
}

void Queue::Woken::operator()() {
    const std::lock_guard lock(mutex);
    if (action) action();
}

void Queue::wake() {
    (*woken_)();
    database_->notify(wake_channel);
}

void Queue::on_wake(std::function<void()> action) {
    const bool is_cleared = !action;
    {
        const std::lock_guard lock(woken_->mutex);
        woken_->action = std::move(action);
    }
    if (is_cleared || std::exchange(is_listening_, true)) return;
    database_->listen(wake_channel, [woken = woken_] { (*woken)(); });
}

}  // namespace loadstone::jobs
