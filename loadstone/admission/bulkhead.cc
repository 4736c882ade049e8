#include "loadstone/admission/bulkhead.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/runtime/semaphore.h"

namespace loadstone::admission {

using telemetry::WaitKind;

struct Bulkhead::Impl {
    Impl(const BulkheadOptions& bulkhead_options, telemetry::Registry& metrics)
        : options(bulkhead_options),
          registry(metrics),
          labels(telemetry::metric_label("module", options.name)),
          admitted(metrics.counter("loadstone_bulkhead_admitted_total", labels,
                                   "Requests and jobs that entered their bulkhead")),
          queued(metrics.counter("loadstone_bulkhead_queued_total", labels,
                                 "Requests and jobs that had to wait for their turn")),
          rejected(metrics.counter("loadstone_bulkhead_rejected_total", labels,
                                   "Requests and jobs that found the queue full")),
          timed_out(metrics.counter("loadstone_bulkhead_timed_out_total", labels,
                                    "Requests and jobs that waited too long for their turn")),
          permits(options.concurrency_max, options.queue_max) {
        gauge("loadstone_bulkhead_in_use", "Requests and jobs inside the bulkhead",
              [this] { return static_cast<double>(permits.in_use()); });
        gauge("loadstone_bulkhead_queued", "Requests and jobs that wait for their turn",
              [this] { return static_cast<double>(permits.waiting()); });
        gauge("loadstone_bulkhead_concurrency_max", "How many may be inside at once",
              [this] { return static_cast<double>(options.concurrency_max); });
    }
    ~Impl() { registry.remove_gauges(this); }

    void gauge(std::string_view metric, std::string_view help, std::function<double()> read) {
        registry.gauge(this, metric, labels, help, std::move(read));
    }

    // Whoever comes back sooner than a whole wait meets the same queue.
    Error full() const {
        return Error(Errc::unavailable,
                     fmt::format("bulkhead {} is full: {} of {} running, {} of {} waiting",
                                 options.name, permits.in_use(), options.concurrency_max,
                                 permits.waiting(), options.queue_max))
            .with_retry_after(options.queue_wait_max);
    }
    Error waited_too_long() const {
        return Error(Errc::unavailable,
                     fmt::format("bulkhead {} had no place within {} ms: {} of {} running, {} of "
                                 "{} waiting",
                                 options.name, options.queue_wait_max.count(), permits.in_use(),
                                 options.concurrency_max, permits.waiting(), options.queue_max))
            .with_retry_after(options.queue_wait_max);
    }

    const BulkheadOptions options;
    telemetry::Registry& registry;
    const std::string labels;
    telemetry::Counter& admitted;
    telemetry::Counter& queued;
    telemetry::Counter& rejected;
    telemetry::Counter& timed_out;
    runtime::Semaphore permits;
};

void Permit::release() noexcept {
    if (Bulkhead* bulkhead = std::exchange(bulkhead_, nullptr)) {
        bulkhead->impl_->permits.release();
    }
}

Bulkhead::Bulkhead(const BulkheadOptions& options, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(options, registry)) {}

Bulkhead::~Bulkhead() = default;

std::optional<Permit> Bulkhead::try_enter() noexcept {
    if (!impl_->permits.try_acquire()) return std::nullopt;
    impl_->admitted.add();
    return Permit(this);
}

Task<Permit> Bulkhead::enter(Context& context) {
    if (std::optional<Permit> permit = try_enter()) co_return std::move(*permit);
    Impl& impl = *impl_;
    context.throw_if_done("its bulkhead");
    const Deadline deadline = context.deadline().sooner(Deadline::in(impl.options.queue_wait_max));
    telemetry::Wait wait(context.span(), WaitKind::admission);
    const runtime::Acquired acquired = co_await impl.permits.acquire(deadline);
    wait.stop();
    if (acquired == runtime::Acquired::queue_full) {
        impl.rejected.add();
        throw impl.full();
    }
    impl.queued.add();
    std::optional<Permit> permit;
    if (acquired == runtime::Acquired::yes) permit = Permit(this);
    // A place that comes when the context is done is given to the next.
    if (!permit || context.deadline().passed()) impl.timed_out.add();
    context.throw_if_done("its bulkhead any longer");
    if (!permit) throw impl.waited_too_long();
    impl.admitted.add();
    co_return std::move(*permit);
}

std::size_t Bulkhead::in_use() const noexcept { return impl_->permits.in_use(); }
std::size_t Bulkhead::queued() const noexcept { return impl_->permits.waiting(); }
const BulkheadOptions& Bulkhead::options() const noexcept { return impl_->options; }

}  // namespace loadstone::admission
