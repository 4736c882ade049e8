#include "loadstone/store/internal/coalescing_queue.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/store/database.h"
#include "loadstone/store/moments.h"

namespace loadstone::store::internal {

namespace {

// What a request has seen of a batch that another one wrote.
void see(Context& context, runtime::Position seen) {
    const Moments* moments = context.services().get<Database>().moments();
    if (moments == nullptr)
        context.reading().saw(seen);
    else
        moments->saw(context.reading());
}

}  // namespace

struct CoalescingQueue::Metrics {
    Metrics(std::string_view name, telemetry::Registry& registry)
        : labels(telemetry::metric_label("write", name)),
          rows(counter(registry, "rows", "Rows of requests that were written together")),
          batches(counter(registry, "batches", "Transactions that wrote them")),
          merged(counter(registry, "merged", "Of the rows, those for which another one stood")),
          again(counter(registry, "again", "Rows that waited once more: who led was gone")),
          alone(counter(registry, "alone",
                        "Rows that were written by themselves: their batch had "
                        "failed, perhaps for another one")),
          refused(counter(registry, "refused", "Rows for which there was no room to wait")) {}
    telemetry::Counter& counter(telemetry::Registry& registry, std::string_view what,
                                std::string_view help) const {
        return registry.counter(fmt::format("loadstone_store_coalesced_{}_total", what), labels,
                                help);
    }

    const std::string labels;
    telemetry::Counter &rows, &batches, &merged, &again, &alone, &refused;
};

CoalescingQueue::CoalescingQueue(Options options, telemetry::Registry& registry)
    : options_(std::move(options)),
      registry_(registry),
      metrics_(std::make_unique<Metrics>(options_.name, registry)) {
    registry.gauge(this, "loadstone_store_coalesced_waiting", metrics_->labels,
                   "Rows that wait for the batch after the one that is written", [this] {
                       const std::scoped_lock lock(mutex_);
                       return static_cast<double>(waiting_.size());
                   });
}

CoalescingQueue::~CoalescingQueue() { registry_.remove_gauges(this); }

Task<Turn> CoalescingQueue::enter(Context& context, const CoalescedPtr& mine) {
    {
        const std::scoped_lock lock(mutex_);
        if (!leader_) {
            leader_ = mine;
            co_return Turn::lead;
        }
        if (waiting_.size() >= options_.waiting_max) {
            metrics_->refused.add();
            throw Error(Errc::unavailable, fmt::format("{} rows of {} wait already, the most there "
                                                       "may be",
                                                       options_.waiting_max, options_.name))
                .with_retry_after(std::chrono::seconds(1));
        }
        waiting_.push_back(mine);
    }
    {
        const telemetry::Wait wait(context.span(), telemetry::WaitKind::lock);
        co_await mine->told.wait(context.deadline());
    }
    {
        const std::scoped_lock lock(mutex_);
        if (!mine->end && leader_ != mine)
            throw Error(Errc::deadline_exceeded,
                        fmt::format("waiting for {} to be written", options_.name));
    }
    if (!mine->end) {
        context.throw_if_done("a write that it is to lead");
        co_return Turn::lead;
    }
    see(context, mine->seen);
    if (mine->end == BatchEnd::apart) co_return Turn::write_alone;
    if (mine->failure) std::rethrow_exception(mine->failure);
    co_return Turn::take_result;
}

std::vector<CoalescedPtr> CoalescingQueue::take(const CoalescedPtr& mine) {
    const std::scoped_lock lock(mutex_);
    LOADSTONE_ASSERT(leader_ == mine && batch_.empty(), "who leads takes one batch");
    batch_.push_back(mine);
    while (!waiting_.empty() && batch_.size() < options_.batch_max) {
        batch_.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return batch_;
}

void CoalescingQueue::end(BatchEnd end, const std::exception_ptr& failure, runtime::Position seen,
                          std::size_t rows) {
    const std::scoped_lock lock(mutex_);
    if (end == BatchEnd::written) {
        metrics_->rows.add(batch_.size());
        metrics_->batches.add();
        metrics_->merged.add(batch_.size() - rows);
    }
    if (end == BatchEnd::apart) metrics_->alone.add(batch_.size());
    if (end == BatchEnd::abandoned) {
        std::erase_if(batch_, [&](const auto& each) { return each == leader_ || each->has_left; });
        metrics_->again.add(batch_.size());
        waiting_.insert(waiting_.begin(), batch_.begin(), batch_.end());
    } else {
        for (const CoalescedPtr& each : batch_) {
            each->failure = failure;
            each->seen = seen;
            each->end = end;
            each->told.set();
        }
    }
    batch_.clear();
    appoint();
}

void CoalescingQueue::leave(const CoalescedPtr& mine) noexcept {
    const std::scoped_lock lock(mutex_);
    mine->has_left = true;
    if (leader_ == mine)
        appoint();  // it has not begun
    else
        std::erase(waiting_, mine);
}

// Under the lock. What comes before who leads has begun goes with it.
void CoalescingQueue::appoint() {
    leader_ = nullptr;
    if (waiting_.empty()) return;
    const auto end = waiting_.begin() +
                     static_cast<std::ptrdiff_t>(std::min(waiting_.size(), options_.batch_max));
    const auto most_time = std::max_element(
        waiting_.begin(), end,
        [](const auto& one, const auto& other) { return one->deadline < other->deadline; });
    leader_ = std::move(*most_time);
    waiting_.erase(most_time);
    leader_->told.set();
}

BatchTurn::BatchTurn(CoalescingQueue& queue, Context& context)
    : queue_(queue), context_(context), before_(context.reading().position()) {
    context.reading().replace({});
}

const std::vector<CoalescedPtr>& BatchTurn::take(const CoalescedPtr& mine) {
    gathered_ = queue_.take(mine);
    return gathered_;
}

void BatchTurn::written(std::size_t rows) {
    settle();
    rows_ = rows;
    end_ = BatchEnd::written;
}

bool BatchTurn::failed() {
    settle();
    failure_ = std::current_exception();
    const Errc code = error_from_exception(failure_).code();
    const bool is_end = code == Errc::cancelled || code == Errc::deadline_exceeded;
    const bool is_own = context_.is_cancelled() || context_.deadline().passed();
    if (is_end && is_own)
        end_ = BatchEnd::abandoned;
    else if (code == Errc::unavailable || gathered_.size() == 1)
        end_ = BatchEnd::failed;
    else
        end_ = BatchEnd::apart;
    return end_ == BatchEnd::apart;
}

void BatchTurn::settle() {
    seen_ = context_.reading().position();
    context_.reading().replace(before_);
    see(context_, seen_);
}

}  // namespace loadstone::store::internal
