#include <pthread.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/sqlite/errors.h"
#include "loadstone/store/sqlite/open_writer.h"
#include "loadstone/store/sqlite/write_op.h"
#include "loadstone/store/sqlite/writer_metrics.h"
#include "loadstone/telemetry/thread_usage.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::sqlite {

namespace asio = boost::asio;
using telemetry::tsc;
using telemetry::tsc_to_ns;
using telemetry::WaitKind;

namespace {

constexpr std::chrono::seconds idle_wait{1};
constexpr std::chrono::milliseconds stray_poll{5};
constexpr std::chrono::seconds stray_wait_max{5};  // at stop
constexpr std::chrono::milliseconds busy_pause_max{10};
constexpr std::chrono::milliseconds checkpoint_wait{50};

// What others want done after a commit.
void call(const std::function<void()>& action) noexcept {
    try {
        action();
    } catch (...) {
        log::error("an action after a commit threw",
                   {{"error", error_from_exception(std::current_exception()).message()}});
    }
}

Error stray_error(Context& context) {
    return Error(
        Errc::internal,
        fmt::format("a transaction of {} awaited something else than its Tx", who(context)));
}

}  // namespace

void Writer::serve() {
    pthread_setname_np(pthread_self(), "store-writer");
    lane_id_ = std::this_thread::get_id();
    for (;;) {
        std::chrono::milliseconds wait = idle_wait;
        if (listened_) wait = poll_every;
        if (!strays_.empty()) wait = stray_poll;
        if (!queue_.wait(wait)) break;
        poll_strays();
        poll_foreign_commits();
        if (queue_.size() == 0) continue;
        if (ensure_open() && begin()) run_group();
        checkpoint_if_due();
    }
    drain();
}

void Writer::open_file() {
    handle_ = open_writer(file_, options_.busy_timeout);
    sqlite3_wal_hook(handle_->db(), &Writer::on_log_grown, this);
    // From now on, so that a commit that comes before the first look is not missed.
    if (!data_version_) data_version_ = handle_->integer("pragma data_version");
}

int Writer::on_log_grown(void* self, sqlite3* /*db*/, const char* /*name*/, int frames) {
    Writer& writer = *static_cast<Writer*>(self);
    if (frames < writer.log_frames_) writer.checkpoint_at_ = log_frames_max;  // begun anew
    writer.log_frames_ = frames;
    return SQLITE_OK;
}

bool Writer::ensure_open() {
    if (handle_ != nullptr) return true;
    try {
        open_file();
        data_version_ = -1;  // it may have changed meanwhile
        return true;
    } catch (const Error& error) {
        for (WriteOp* op : queue_.take_all()) finish(*op, error);
        return false;
    }
}

bool Writer::begin() {
    const int code = handle_->control("begin immediate");
    if (code == SQLITE_OK) {
        busy_tries_ = 0;
        return true;
    }
    const Error error = error_of(code, handle_->db(), "begin", file_.path);
    if (primary(code) != SQLITE_BUSY) {
        note_failure(code, error);
        if (wants_reopen(code)) handle_.reset();
        for (WriteOp* op : queue_.take_all()) finish(*op, error);
        return false;
    }
    const auto now = std::chrono::steady_clock::now();
    for (WriteOp* op : queue_.take_older(now - options_.busy_timeout)) {
        finish(*op, Error(Errc::unavailable,
                          fmt::format("{} is locked by another process for more than {} ms",
                                      file_.path, options_.busy_timeout.count()))
                        .with_retry_after(std::chrono::seconds(1)));
    }
    queue_.pause(std::min(std::chrono::milliseconds(++busy_tries_), busy_pause_max));
    return false;
}

void Writer::run_group() {
    group_.clear();
    while (group_.size() < options_.group_max) {
        WriteOp* const op = queue_.pop();
        if (op == nullptr) break;
        if (op->alone && !group_.empty()) {
            queue_.push_front({op});
            break;
        }
        if (op->context.is_cancelled() || op->context.deadline().passed()) {
            refuse(*op);
            continue;
        }
        const Ran ran = run_body(*op);
        if (ran == Ran::lost) {
            after_lost_transaction(*op);
            return;
        }
        if (ran == Ran::undone) {
            if (!op->finished) return;  // a stray
            metrics_->rolled_back.add();
            finish(*op);
            return;
        }
        if (ran == Ran::stray) continue;
        group_.push_back(op);
        if (op->alone) break;
    }
    if (group_.empty()) {
        handle_->control("rollback");
        return;
    }
    commit_group();
}

Writer::Ran Writer::run_body(WriteOp& op) {
    telemetry::Span& span = op.context.span();
    const std::uint64_t began = tsc();
    span.waited(WaitKind::lock, tsc_to_ns(began - op.waiting_since));
    const telemetry::AllocationCount before = telemetry::thread_allocations();
    handle_->forget_failure();
    op.error = nullptr;
    op.finished = false;
    const bool is_first = group_.empty();
    if (!is_first && handle_->control("savepoint body") != SQLITE_OK) return Ran::lost;

    op.tx.open(*handle_, tsc_to_ns(began - op.waiting_since));
    body_since_.store(began, std::memory_order_relaxed);
    body_of_.store(span.name, std::memory_order_release);
    spawn_and_poll(op);
    body_of_.store(nullptr, std::memory_order_relaxed);
    op.tx.close();
    if (!op.finished) {
        metrics_->strays.add();
        log::error("a transaction awaited something else than its Tx",
                   {{"by", who(op.context)}, {"file", file_.path}});
        strays_.push_back(&op);
        return undo_body(is_first, Ran::stray);
    }
    Ran ran = Ran::to_commit;
    if (op.error) {
        ran = undo_body(is_first, Ran::to_commit);
    } else if (!is_first && handle_->control("release body") != SQLITE_OK) {
        return Ran::lost;
    }
    const telemetry::AllocationCount after = telemetry::thread_allocations();
    op.waiting_since = tsc();
    op.allocations.count += after.count - before.count;
    op.allocations.bytes += after.bytes - before.bytes;
    op.cpu_tsc += op.waiting_since - began;
    ++op.slices;
    if (ran == Ran::to_commit && !handle_->in_transaction()) return Ran::lost;
    return ran;
}

void Writer::spawn_and_poll(WriteOp& op) {
    try {
        asio::co_spawn(*lane_, op.body(op.tx), [&op](const std::exception_ptr& error) {
            op.error = error;
            op.finished = true;
        });
    } catch (...) {
        op.error = std::current_exception();
        op.finished = true;
        return;
    }
    lane_->restart();
    lane_->poll();
}

Writer::Ran Writer::undo_body(bool is_first, Ran undone) {
    if (!handle_->in_transaction()) return Ran::lost;
    if (is_first) {
        handle_->control("rollback");
        return handle_->in_transaction() ? Ran::lost : Ran::undone;
    }
    handle_->control("rollback to body");
    handle_->control("release body");
    return handle_->in_transaction() ? undone : Ran::lost;
}

void Writer::commit_group() {
    const std::uint64_t began = tsc();
    const int code = handle_->control("commit");
    const std::uint64_t ended = tsc();
    if (code == SQLITE_OK) {
        committed(began, ended);
        return;
    }
    if (primary(code) != SQLITE_CONSTRAINT) {
        fail_group(code, "commit");
        return;
    }
    const Error error = error_of(code, handle_->db(), "commit", file_.path);
    handle_->control("rollback");
    if (group_.size() == 1) {
        metrics_->rolled_back.add();
        finish(*group_.front(), error);
        return;
    }
    metrics_->reruns.add(group_.size());
    for (WriteOp* op : group_) op->alone = true;
    queue_.push_front(group_);
}

void Writer::committed(std::uint64_t began, std::uint64_t ended) {
    note_success();
    std::uint64_t transactions = 0;
    for (WriteOp* op : group_) {
        telemetry::Span& span = op->context.span();
        span.waited(WaitKind::lock, tsc_to_ns(began - op->waiting_since));
        span.waited(WaitKind::disk, tsc_to_ns(ended - began));
        if (!op->error) ++transactions;
    }
    metrics_->commits.add();
    metrics_->transactions.add(transactions);
    metrics_->rolled_back.add(group_.size() - transactions);
    for (WriteOp* op : group_) {
        if (op->error) continue;
        for (const auto& action : op->tx.take_actions()) call(action);
    }
    finish_all(group_);
}

void Writer::checkpoint_if_due() {
    if (log_frames_ < checkpoint_at_ || handle_ == nullptr) return;
    handle_->control("pragma wal_checkpoint(restart)", checkpoint_wait);
    // If it succeeded, the next commit is the first of a new log. If not, this is the next try.
    checkpoint_at_ = log_frames_ + log_frames_max;
}

void Writer::after_lost_transaction(WriteOp& culprit) {
    const int code = handle_->last_failure();
    const bool stray = !strays_.empty() && strays_.back() == &culprit;
    if (primary(code) != SQLITE_INTERRUPT) {
        if (!stray) group_.push_back(&culprit);
        fail_group(code == 0 ? SQLITE_ERROR : code, "transaction");
        return;
    }
    if (handle_->in_transaction()) handle_->control("rollback");
    metrics_->rolled_back.add();
    metrics_->reruns.add(group_.size());
    queue_.push_front(group_);
    if (stray) return;
    if (!culprit.error) {  // the body swallowed it
        culprit.error = std::make_exception_ptr(Error(
            Errc::deadline_exceeded,
            fmt::format("a transaction of {} was stopped at the deadline", who(culprit.context))));
    }
    finish(culprit);
}

// The connection stays open even after an I/O error: its next commit overwrites what this one left
// in the log, while opening the file anew could take it for committed, as a crash now could.
void Writer::fail_group(int code, std::string_view step) {
    const bool unknown = step == "commit" && primary(code) == SQLITE_IOERR;
    const std::string what = unknown ? "commit outcome unknown" : std::string(step);
    const Error error = error_of(code, handle_->db(), what, file_.path);
    metrics_->commit_failures.add();
    if (handle_->in_transaction()) handle_->control("rollback");
    note_failure(code, error);
    for (WriteOp* op : group_) finish(*op, error);
}

void Writer::note_failure(int code, const Error& error) {
    failed_at_ = std::chrono::steady_clock::now();
    if (!failing_.exchange(true)) {
        log::error("writes fail",
                   {{"file", file_.path}, {"error", error.message()}, {"code", code}});
    }
    // Moves the log's pages into the file, so that the log can begin anew in the space it has.
    if (primary(code) == SQLITE_FULL) handle_->control("pragma wal_checkpoint(passive)");
}

void Writer::note_success() {
    if (!failing_ || has_failed_of_late()) return;
    failing_ = false;
    log::info("writes work again", {{"file", file_.path}});
}

void Writer::poll_strays() {
    if (strays_.empty()) return;
    lane_->restart();
    lane_->poll();
    std::erase_if(strays_, [](WriteOp* op) {
        if (!op->finished) return false;
        finish(*op, stray_error(op->context));
        return true;
    });
}

void Writer::poll_foreign_commits() {
    if (!listened_ || handle_ == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - polled_at_ < poll_every) return;
    polled_at_ = now;
    // Unchanged by commits of this connection.
    const auto version = handle_->integer("pragma data_version");
    if (!version) return;
    const bool changed = data_version_ && *data_version_ != *version;
    data_version_ = version;
    if (!changed) return;
    const std::scoped_lock lock(listeners_mutex_);
    for (const auto& woken : listeners_) call(woken);
}

void Writer::drain() {
    const Error error(Errc::unavailable, fmt::format("{} is closed", file_.path));
    for (WriteOp* op : queue_.take_all()) finish(*op, error);
    const auto give_up = std::chrono::steady_clock::now() + stray_wait_max;
    while (!strays_.empty() && std::chrono::steady_clock::now() < give_up) {
        poll_strays();
        if (!strays_.empty()) std::this_thread::sleep_for(stray_poll);
    }
    if (strays_.empty()) return;
    log::error("transactions still await something else than their Tx at the end",
               {{"file", file_.path}, {"count", strays_.size()}});
    // What they wait for will still post to it.
    static_cast<void>(lane_.release());
}

}  // namespace loadstone::store::sqlite
