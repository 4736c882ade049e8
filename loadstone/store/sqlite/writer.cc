#include "loadstone/store/sqlite/writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/store/sqlite/write_op.h"
#include "loadstone/store/sqlite/writer_metrics.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::sqlite {

namespace asio = boost::asio;
using telemetry::tsc;
using telemetry::tsc_to_ns;
using telemetry::WaitKind;

namespace {

// Callers of one loop, resumed one after the other: a group wakes each of its loops once.
struct Resume {
    asio::io_context* loop;
    std::vector<WriteOp::Handler> callers;

    void operator()() {
        for (WriteOp::Handler& caller : callers) {
            const auto executor = asio::get_associated_executor(caller);
            asio::dispatch(executor, std::move(caller));
        }
    }
};

// Callers run on executors of Loops or of a plain io_context.
asio::io_context& loop_of(const WriteOp::Handler& caller) {
    const auto executor = asio::get_associated_executor(caller);
    return static_cast<asio::io_context&>(asio::query(executor, asio::execution::context));
}

}  // namespace

Writer::Writer(const FileOptions& file, const WriterOptions& options)
    : file_(file),
      options_(options),
      metrics_(std::make_unique<Metrics>(*file.registry)),
      queue_(options.queue_max),
      lane_(std::make_unique<asio::io_context>(1)) {
    open_file();
    file.registry->gauge(this, "loadstone_store_write_queue",
                         telemetry::metric_label("database", "sqlite"),
                         "Transactions that wait for the writer lane",
                         [this] { return static_cast<double>(queue_.size()); });
}

Writer::~Writer() {
    stop();
    file_.registry->remove_gauges(this);
}

void Writer::start() {
    LOADSTONE_ASSERT(!thread_.joinable(), "a writer is started once");
    thread_ = std::thread([this] { serve(); });
}

void Writer::stop() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
    handle_.reset();
}

Task<void> Writer::transact(Context& context, TxBody body) {
    context.throw_if_done("the writer");
    if (on_lane()) {
        throw Error(Errc::internal,
                    fmt::format("{} began a transaction inside the body of another", who(context)));
    }
    WriteOp op(context, body);
    auto enter = [this, &op](WriteOp::Handler handler) {
        op.handler.emplace(std::move(handler));
        submit(op);
    };
    auto answer =
        asio::async_initiate<const asio::use_awaitable_t<>, void()>(enter, asio::use_awaitable);
    co_await std::move(answer);
    telemetry::Span& span = context.span();
    span.waited(WaitKind::run_queue, tsc_to_ns(tsc() - op.resumed_from));
    span.allocations += op.allocations.count;
    span.allocated_bytes += op.allocations.bytes;
    span.cpu_tsc += op.cpu_tsc;
    span.lane_tsc += op.cpu_tsc;
    span.slices += op.slices;
    if (op.error) std::rethrow_exception(op.error);
}

void Writer::submit(WriteOp& op) {
    op.queued_at = std::chrono::steady_clock::now();
    op.waiting_since = tsc();
    switch (queue_.push(op)) {
        case WriteQueue::Pushed::yes: return;  // the op may be gone
        case WriteQueue::Pushed::full: {
            metrics_->queue_full.add();
            finish(op, Error(Errc::unavailable,
                             fmt::format("the write queue of {} is full: {} transactions wait",
                                         file_.path, queue_.max()))
                           .with_retry_after(std::chrono::seconds(1)));
            return;
        }
        case WriteQueue::Pushed::closed:
            finish(op, Error(Errc::unavailable, fmt::format("{} is closed", file_.path)));
            return;
    }
}

void Writer::finish(WriteOp& op) {
    WriteOp::Handler handler = std::move(*op.handler);
    op.handler.reset();
    op.resumed_from = tsc();
    const auto executor = asio::get_associated_executor(handler);
    asio::post(executor, std::move(handler));
}

void Writer::finish_all(std::span<WriteOp* const> ops) {
    std::vector<Resume> loops;
    for (WriteOp* op : ops) {
        asio::io_context& loop = loop_of(*op->handler);
        const auto is_loop = [&](const Resume& resume) { return resume.loop == &loop; };
        auto resume = std::find_if(loops.begin(), loops.end(), is_loop);
        if (resume == loops.end()) resume = loops.insert(resume, Resume{&loop, {}});
        resume->callers.push_back(std::move(*op->handler));
        op->handler.reset();
        op->resumed_from = tsc();
    }
    for (Resume& resume : loops) {  // from here on ops go
        asio::io_context& loop = *resume.loop;
        asio::post(loop, std::move(resume));
    }
}

void Writer::finish(WriteOp& op, const Error& error) {
    op.error = std::make_exception_ptr(error);
    finish(op);
}

void Writer::refuse(WriteOp& op) {
    const std::uint64_t waited_ns = tsc_to_ns(tsc() - op.waiting_since);
    op.context.span().waited(WaitKind::lock, waited_ns);
    if (op.context.is_cancelled()) {
        finish(op, Error(Errc::cancelled, fmt::format("cancelled after {} ms in the write queue",
                                                      waited_ns / 1'000'000)));
        return;
    }
    metrics_->timed_out.add();
    finish(op, Error(Errc::deadline_exceeded,
                     fmt::format("the deadline passed after {} ms in the write queue of {}",
                                 waited_ns / 1'000'000, file_.path)));
}

void Writer::expire() {
    for (WriteOp* op : queue_.take_given_up()) refuse(*op);
}

void Writer::listen(std::function<void()> woken) {
    {
        const std::scoped_lock lock(listeners_mutex_);
        listeners_.push_back(std::move(woken));
    }
    listened_ = true;
    queue_.nudge();  // it waits longer while nobody listens
}

void Writer::require_no_failure() const {
    if (!failing_) return;
    throw Error(Errc::unavailable, fmt::format("{}: writes have failed within the last {} ms",
                                               file_.path, quiet_after_failure.count()));
}

bool Writer::has_failed_of_late() const noexcept {
    return std::chrono::steady_clock::now() - failed_at_.load() < quiet_after_failure;
}

Task<void> Writer::check(Context& context) {
    // Not asked again meanwhile: each answer takes room in the log.
    if (has_failed_of_late()) require_no_failure();
    TxBody body = [this](Tx&) { return probe(); };
    co_await transact(context, std::move(body));
    require_no_failure();
}

// A number that nobody uses, in the file's header: whether the disk takes it shows at the commit.
Task<void> Writer::probe() {
    if (failing_) handle_->require("pragma user_version = 1");
    co_return;
}

// The two may be of different bodies, for a moment.
Database::WriterState Writer::state() const {
    Database::WriterState state;
    state.waiting = queue_.size();
    const char* const name = body_of_.load(std::memory_order_acquire);
    if (name == nullptr) return state;
    state.activity = *name == '\0' ? "other" : name;
    const std::uint64_t now = tsc();
    const std::uint64_t since = body_since_.load(std::memory_order_relaxed);
    state.since = std::chrono::nanoseconds(now > since ? tsc_to_ns(now - since) : 0);
    return state;
}

}  // namespace loadstone::store::sqlite
