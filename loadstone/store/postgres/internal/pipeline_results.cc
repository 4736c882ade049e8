// What comes back on a pipeline.
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>
#include <cstring>

#include "loadstone/base/assert.h"
#include "loadstone/store/postgres/internal/pipeline.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

namespace asio = boost::asio;

namespace {

constexpr int results_per_slice = 512;
constexpr int sends_max = 8;
// What libpq gathers of a statement that was said to give few rows (at_once()); its sizes are
// looked at from the second number of reads on, of 8 KiB at least.
constexpr std::size_t small_bytes_max = 64 << 20;
constexpr int small_reads_unseen = 64;
constexpr std::size_t read_bytes_min = 8 << 10;
// How long after a cancel request a statement may still be hit by it although it is another one.
constexpr std::uint64_t stray_cancel_ns = 60'000'000'000;

std::uint64_t affected_rows(PGresult* result) {
    if (std::strncmp(PQcmdStatus(result), "SELECT", 6) == 0) return 0;
    const char* const text = PQcmdTuples(result);
    std::uint64_t rows = 0;
    std::from_chars(text, text + std::strlen(text), rows);
    return rows;
}

// FATAL 57P01, terminated by an administrator. Others that end a session may come after the commit
// is on disk (PANIC), or from a pooler that does not know.
bool ends_session(const PGresult* result) {
    const char* const sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* const severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return sqlstate != nullptr && severity != nullptr && std::strcmp(sqlstate, "57P01") == 0 &&
           std::strcmp(severity, "FATAL") == 0;
}

}  // namespace

void Pipeline::arm_read() {
    if (is_lost() || read_is_armed_ || read_is_posted_) return;
    if (sent_.empty() && !options_.watches_idle) return;
    read_is_armed_ = true;
    using Socket = asio::posix::stream_descriptor;
    socket_->async_wait(Socket::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                            if (error == asio::error::operation_aborted) return;
                            self->read_is_armed_ = false;
                            if (!self->is_lost()) self->read_input();
                        });
}

void Pipeline::arm_write() {
    if (std::exchange(write_is_armed_, true)) return;
    using Socket = asio::posix::stream_descriptor;
    socket_->async_wait(Socket::wait_write,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                            if (error == asio::error::operation_aborted) return;
                            self->write_is_armed_ = false;
                            if (!self->is_lost()) self->write_out();
                        });
}

void Pipeline::post_read() {
    if (std::exchange(read_is_posted_, true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->read_is_posted_ = false;
        if (!self->is_lost()) self->read_on();
    });
}

void Pipeline::resume() {
    if (!is_lost() && !read_is_armed_) post_read();
}

void Pipeline::poke() {
    if (!is_lost() && !sent_.empty() && read_is_armed_ && PQsslInUse(connection_.get()) != 0) {
        PQconsumeInput(connection_.get());
        post_read();
    }
}

// What one read has taken. libpq has room for 8 KiB at least, and does not tell what it took: more
// may have come meanwhile than it has.
bool Pipeline::consume_input() {
    PGconn* const connection = connection_.get();
    if (is_in_rows_ || ++front_reads_ <= small_reads_unseen) return PQconsumeInput(connection) != 0;
    const std::size_t before = unread_bytes();
    const bool is_sound = PQconsumeInput(connection) != 0;
    const std::size_t after = unread_bytes();
    front_bytes_ += std::max(before - std::min(before, after), std::min(before, read_bytes_min));
    return is_sound;
}

std::size_t Pipeline::unread_bytes() const {
    int waiting = 0;
    if (::ioctl(PQsocket(connection_.get()), FIONREAD, &waiting) != 0) return 0;
    return static_cast<std::size_t>(waiting);
}

// One that gives more than it may would grow the process.
void Pipeline::lose_oversized() {
    const Operation* const operation = sent_.empty() ? nullptr : sent_.front().operation;
    lose(Error(Errc::internal,
               fmt::format("{}: gives more than {} MiB at once; read it with each()",
                           operation == nullptr ? "a statement" : operation->statement.name,
                           small_bytes_max >> 20)));
}

void Pipeline::read_input() {
    const bool is_sound = consume_input();
    if (front_bytes_ > small_bytes_max) {
        lose_oversized();
        return;
    }
    // One TLS record may hold more than what was asked for.
    if (is_sound && PQsslInUse(connection_.get()) != 0) PQconsumeInput(connection_.get());
    if (is_sound) {
        read_on();
        return;
    }
    const Error why = unavailable(fmt::format("the connection to the database was lost: {}",
                                              connection_message(connection_.get())));
    // What came before the end counts: it may be the answer to a COMMIT.
    read_results();
    if (!is_lost()) lose(why);
}

void Pipeline::read_on() {
    const auto self = shared_from_this();
    if (read_results()) arm_read();
}

// True when it needs more input.
bool Pipeline::read_results() {
    for (int i = 0; i < results_per_slice; ++i) {
        if (is_lost()) return false;
        if (!sent_.empty()) {
            Operation* const operation = sent_.front().operation;
            if (operation != nullptr && operation->is_full()) {
                operation->wake();
                return false;
            }
        }
        const bool is_busy = PQisBusy(connection_.get()) != 0;
        read_notifications();
        if (is_lost()) return false;
        if (sent_.empty() || is_busy) return true;
        if (ResultHandle result{PQgetResult(connection_.get())}) {
            accept(std::move(result));
        } else {
            item_ends();
        }
    }
    post_read();
    return false;
}

void Pipeline::read_notifications() {
    if (owner_ == nullptr || !options_.watches_idle) return;
    struct Free {
        void operator()(PGnotify* notification) const noexcept { PQfreemem(notification); }
    };
    while (const std::unique_ptr<PGnotify, Free> notification{PQnotifies(connection_.get())}) {
        owner_->notified(notification->relname, notification->be_pid);
    }
}

void Pipeline::accept(ResultHandle result) {
    SentItem& item = sent_.front();
    switch (PQresultStatus(result.get())) {
        case PGRES_PIPELINE_SYNC:
            LOADSTONE_ASSERT(item.kind == SentItem::Kind::sync, "a sync answers a sync");
            end_committing(batch_failure_, batch_reaction_);
            sent_.pop();
            batch_tsc_ = telemetry::tsc();
            batch_ends();
            front_changes();
            return;
        case PGRES_SINGLE_TUPLE:
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK: break;
        case PGRES_PIPELINE_ABORTED:
            item.was_skipped = true;
            if (item.kind == SentItem::Kind::prepare) item.prepared->is_sent = false;
            return;
        default: accept_failure(result.get()); return;
    }
    if (item.kind == SentItem::Kind::position) accept_position(result.get());
    Operation* const operation = item.operation;
    if (item.kind != SentItem::Kind::query || operation == nullptr) return;
    if (PQresultStatus(result.get()) != PGRES_SINGLE_TUPLE) {
        operation->affected = affected_rows(result.get());
        operation->ended_in_rollback = std::strcmp(PQcmdStatus(result.get()), "ROLLBACK") == 0;
    }
    if (PQntuples(result.get()) > 0 && operation->wants_rows()) {
        operation->put(std::move(result));
    }
}

void Pipeline::accept_failure(const PGresult* result) {
    SentItem& item = sent_.front();
    Operation* const operation = item.operation;
    Failure failure =
        failure_of(result, operation == nullptr ? "a batch" : operation->statement.name);
    if (failure.reaction == Reaction::connection_lost) {
        // By the server itself, in words: of a connection that breaks libpq makes an error too.
        if (operation != nullptr && options_.keeps_session && ends_session(result))
            operation->was_refused = true;
        lose(failure.error);
        return;
    }
    batch_failure_ = std::make_exception_ptr(failure.error);
    batch_reaction_ = failure.reaction;
    if (item.kind == SentItem::Kind::prepare) item.prepared->is_sent = false;
    const bool is_begin = item.kind == SentItem::Kind::command && item.prepared != nullptr;
    if (is_begin && failure.reaction == Reaction::prepare_again) statements_.renew(*item.prepared);
    if (operation == nullptr) return;
    if (item.kind == SentItem::Kind::query) {
        query_failed(item, std::move(failure));
    } else {
        operation->fail(std::move(failure.error), failure.reaction);
    }
}

void Pipeline::query_failed(SentItem& item, Failure failure) {
    Operation& operation = *item.operation;
    const bool may_go_again =
        options_.sends_skipped_again && !operation.has_given_rows() && operation.sends < sends_max;
    if (failure.reaction == Reaction::prepare_again && options_.prepares) {
        statements_.renew(*item.prepared);
        item.goes_again = may_go_again;
    }
    if (failure.reaction == Reaction::cancelled) {
        const bool is_stray =
            cancel_tsc_ != 0 &&
            telemetry::tsc_to_ns(telemetry::tsc() - cancel_tsc_) < stray_cancel_ns;
        item.goes_again = may_go_again && is_stray;
        // By statement_timeout, or by somebody else.
        const auto limit = static_cast<std::uint64_t>(
            std::chrono::nanoseconds(options_.statement_timeout_max).count());
        const std::uint64_t took = telemetry::tsc_to_ns(telemetry::tsc() - operation.sent_tsc);
        const bool in_time =
            operation.deadline.remaining() > std::chrono::milliseconds(50) && took < limit / 10 * 9;
        if (in_time) {
            failure.error = Error(Errc::cancelled, failure.error.message());
        }
    }
    if (!item.goes_again) operation.fail(std::move(failure.error), failure.reaction);
}

void Pipeline::item_ends() {
    // Of a batch whose commit has failed the sync is yet to be answered.
    if (sent_.front().kind == SentItem::Kind::sync) return;
    const SentItem item = std::move(sent_.front());
    if (item.operation != nullptr) {
        item.operation->batch_ns = telemetry::tsc_to_ns(telemetry::tsc() - batch_tsc_);
    }
    sent_.pop();
    if (item.kind == SentItem::Kind::query) query_ends(item);
    if (item.kind == SentItem::Kind::position && !positions_asked_.empty())
        positions_asked_.pop_front();
    if (!is_lost()) front_changes();
}

void Pipeline::query_ends(const SentItem& item) {
    if (item.operation == nullptr) return;
    Operation& operation = *item.operation;
    operation.items = 0;
    const bool again = item.was_skipped && options_.sends_skipped_again && !operation.failure();
    if ((again && operation.sends < sends_max) || item.goes_again) {
        operation.restart();
        skipped_.push_back(operation);
        return;
    }
    operation.pipeline = nullptr;
    if (item.was_skipped) {
        operation.fail(batch_failure_
                           ? batch_failure_
                           : std::make_exception_ptr(unavailable(fmt::format(
                                 "{}: skipped by the server", operation.statement.name))),
                       batch_reaction_);
    }
    if (operation.commits) {
        committing_.push_back(operation);
        return;
    }
    if (operation.wants_position && !operation.failure()) {
        answered_.push_back(operation);
        return;
    }
    operation.end();
}

void Pipeline::accept_position(const PGresult* result) {
    const auto position = server_position_of(result);
    if (position) known_position_ = KnownPosition{*position, positions_asked_.front()};
    end_answered(position);
}

void Pipeline::end_answered(const std::optional<ServerPosition>& position) {
    while (!answered_.empty()) {
        Operation& operation = answered_.front();
        answered_.pop_front();
        operation.position = position;
        operation.end();
    }
}

// `failure`: of the batch, null if there is none.
void Pipeline::end_committing(const std::exception_ptr& failure, Reaction reaction) {
    while (!committing_.empty()) {
        Operation& operation = committing_.front();
        committing_.pop_front();
        if (failure) operation.fail(failure, reaction);
        operation.end();
    }
}

void Pipeline::batch_ends() {
    --syncs_;
    // Where the question was skipped.
    if (positions_asked_.empty() && !asks_position_) end_answered(std::nullopt);
    batch_failure_ = nullptr;
    batch_reaction_ = Reaction::none;
    queue_.splice(queue_.begin(), skipped_);
    if (options_.wraps_reads) {
        const auto status = PQtransactionStatus(connection_.get());
        needs_rollback_ = status == PQTRANS_INERROR || status == PQTRANS_INTRANS;
    }
    if (!queue_.empty() || needs_rollback_) post_flush();
}

// The server turns to the next item.
void Pipeline::front_changes() {
    front_was_cancelled_ = false;
    front_tsc_ = sent_.empty() ? 0 : telemetry::tsc();
    front_reads_ = 0;
    front_bytes_ = 0;
    is_in_rows_ = true;
    if (sent_.empty() || sent_.front().kind != SentItem::Kind::query) return;
    const Operation* const operation = sent_.front().operation;
    // libpq copies what describes the columns for each row that it gives alone.
    is_in_rows_ = operation == nullptr || !operation->statement.is_small;
    if (is_in_rows_) PQsetSingleRowMode(connection_.get());
}

}  // namespace loadstone::store::postgres
