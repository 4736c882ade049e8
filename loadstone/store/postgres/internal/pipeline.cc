#include "loadstone/store/postgres/internal/pipeline.h"

#include <fmt/format.h>
#include <poll.h>

#include <boost/asio/post.hpp>

#include "loadstone/base/assert.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

namespace asio = boost::asio;

Pipeline::Pipeline(ConnectionHandle connection, const runtime::Executor& executor,
                   const PipelineOptions& options, PipelineOwner* owner)
    : connection_(std::move(connection)),
      executor_(executor),
      options_(options),
      owner_(owner),
      socket_(std::in_place, executor_, PQsocket(connection_.get())),
      cancel_(PQgetCancel(connection_.get()), FreeCancel()) {}

Pipeline::~Pipeline() {
    // libpq closes the descriptor.
    if (socket_) socket_->release();
}

void Pipeline::start() { arm_read(); }

void Pipeline::push(Operation& operation) {
    LOADSTONE_ASSERT(!is_lost(), "nothing is pushed to a lost connection");
    operation.pipeline = this;
    queue_.push_back(operation);
    post_flush();
}

void Pipeline::push_now(Operation& operation) {
    LOADSTONE_ASSERT(!is_lost(), "nothing is pushed to a lost connection");
    operation.pipeline = this;
    queue_.push_back(operation);
    flush();
}

void Pipeline::put_before_next(Operation& operation) {
    LOADSTONE_ASSERT(!is_lost(), "nothing is pushed to a lost connection");
    operation.pipeline = this;
    queue_.push_back(operation);
}

void Pipeline::post_flush() {
    if (std::exchange(flush_is_posted_, true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->flush_is_posted_ = false;
        self->flush();
    });
}

void Pipeline::flush() {
    if (is_lost()) return;
    if (options_.wraps_reads && syncs_ > 0) return;
    if (queue_.empty() && !needs_rollback_ && !asks_position_) return;
    const bool was_empty = sent_.empty();
    options_.wraps_reads ? send_wrapped_batch() : send_batches();
    if (send_failed_) {
        lose(unavailable(fmt::format("the connection to the database was lost: {}",
                                     connection_message(connection_.get()))));
        return;
    }
    if (was_empty) {
        batch_tsc_ = telemetry::tsc();
        front_changes();
    }
    write_out();
}

// First those that share a batch, then the others.
void Pipeline::send_batches() {
    OperationQueue alone;
    int batch = 0;
    while (!queue_.empty() && !send_failed_) {
        Operation& operation = queue_.front();
        queue_.pop_front();
        if (operation.is_alone) {
            alone.push_back(operation);
        } else {
            send_operation(operation);
            if (++batch % batch_max == 0) end_batch();
        }
    }
    if (batch % batch_max != 0) end_batch();
    while (!alone.empty()) {
        Operation& operation = alone.front();
        alone.pop_front();
        send_operation(operation);
        end_batch();
    }
    if (asks_position_) {  // no batch has taken the question with it
        batch_wants_position_ = true;
        end_batch();
    }
}

// One that is alone, or those before the next that is.
void Pipeline::send_wrapped_batch() {
    OperationQueue batch;
    auto timeout = std::chrono::milliseconds(1);
    for (int i = 0; i < batch_max && !queue_.empty(); ++i) {
        Operation& operation = queue_.front();
        if (operation.is_alone && !batch.empty()) break;
        timeout = std::max(timeout, operation.deadline.remaining());
        queue_.pop_front();
        batch.push_back(operation);
        if (operation.is_alone) break;
    }
    if (std::exchange(needs_rollback_, false)) send_command("rollback", nullptr);
    if (!batch.empty()) {
        timeout = std::min(timeout, options_.statement_timeout_max);
        send_command("begin read only", nullptr);
        send_command(fmt::format("set local statement_timeout = {}", timeout.count()), nullptr);
        while (!batch.empty()) {
            Operation& operation = batch.front();
            batch.pop_front();
            send_operation(operation);
        }
        send_command("commit", nullptr);
    }
    end_batch();
}

void Pipeline::end_batch() {
    if (std::exchange(batch_wants_position_, false)) send_position();
    if (PQpipelineSync(connection_.get()) == 0) send_failed_ = true;
    sent_.push({});
    ++syncs_;
}

void Pipeline::send_operation(Operation& operation) {
    try {
        bound_.assign(operation.values);
    } catch (...) {
        operation.pipeline = nullptr;
        operation.fail(std::current_exception());
        operation.end();
        return;
    }
    batch_wants_position_ = batch_wants_position_ || operation.wants_position;
    operation.first_item = sent_.next_number();
    operation.sent_tsc = telemetry::tsc();
    ++operation.sends;
    if (operation.begin != nullptr) send_begin(operation);
    for (const std::string& command : operation.before) send_command(command, &operation);
    operation.prepared = statements_.find_or_add(operation.statement, bound_);
    const bool is_named = options_.prepares && operation.prepared != nullptr;
    if (operation.prepared == nullptr) operation.prepared = std::make_shared<Prepared>();
    send_query(operation, is_named);
    operation.items = static_cast<std::uint32_t>(sent_.next_number() - operation.first_item);
}

void Pipeline::note_sent(SentItem::Kind kind, Operation* operation,
                         std::shared_ptr<Prepared> prepared) {
    SentItem item;
    item.kind = kind;
    item.operation = operation;
    item.prepared = std::move(prepared);
    sent_.push(std::move(item));
}

void Pipeline::send_command(const std::string& text, Operation* operation) {
    if (PQsendQueryParams(connection_.get(), text.c_str(), 0, nullptr, nullptr, nullptr, nullptr,
                          0) == 0) {
        send_failed_ = true;
    }
    note_sent(SentItem::Kind::command, operation, nullptr);
}

// Prepared as a statement is: that it is parsed each time costs the server more than it does.
void Pipeline::send_begin(Operation& operation) {
    const StatementRef begin(*operation.begin);
    std::shared_ptr<Prepared> prepared;
    if (options_.prepares) prepared = statements_.find_or_add(begin, {});
    if (prepared == nullptr) {
        send_command(std::string(begin.postgres), &operation);
        return;
    }
    if (!prepared->is_sent) send_prepare(prepared, operation);
    if (PQsendQueryPrepared(connection_.get(), prepared->name.c_str(), 0, nullptr, nullptr, nullptr,
                            0) == 0) {
        send_failed_ = true;
    }
    note_sent(SentItem::Kind::command, &operation, std::move(prepared));
}

void Pipeline::send_prepare(const std::shared_ptr<Prepared>& prepared, Operation& operation) {
    text_ = prepared->text;
    if (PQsendPrepare(connection_.get(), prepared->name.c_str(), text_.c_str(),
                      static_cast<int>(prepared->types.size()), prepared->types.data()) == 0) {
        send_failed_ = true;
    }
    prepared->is_sent = true;
    note_sent(SentItem::Kind::prepare, &operation, prepared);
}

void Pipeline::send_query(Operation& operation, bool is_named) {
    const std::shared_ptr<Prepared>& prepared = operation.prepared;
    PGconn* const connection = connection_.get();
    const int count = bound_.count();
    if (is_named && !prepared->is_sent) send_prepare(prepared, operation);
    if (!is_named) text_ = operation.statement.postgres;
    constexpr int binary = 1;
    const int sent =
        is_named ? PQsendQueryPrepared(connection, prepared->name.c_str(), count, bound_.values(),
                                       bound_.lengths(), bound_.formats(), binary)
                 : PQsendQueryParams(connection, text_.c_str(), count, bound_.types().data(),
                                     bound_.values(), bound_.lengths(), bound_.formats(), binary);
    if (sent == 0) send_failed_ = true;
    note_sent(SentItem::Kind::query, &operation, prepared);
}

void Pipeline::send_position() {
    constexpr const char* name = "ls_position";
    constexpr int binary = 1;
    PGconn* const connection = connection_.get();
    const char* const question =
        options_.is_replica ? replica_position_statement : server_position_statement;
    if (options_.prepares && !position_prepared_->is_sent) {
        if (PQsendPrepare(connection, name, question, 0, nullptr) == 0) send_failed_ = true;
        position_prepared_->is_sent = true;
        note_sent(SentItem::Kind::prepare, nullptr, position_prepared_);
    }
    const int sent = options_.prepares ? PQsendQueryPrepared(connection, name, 0, nullptr, nullptr,
                                                             nullptr, binary)
                                       : PQsendQueryParams(connection, question, 0, nullptr,
                                                           nullptr, nullptr, nullptr, binary);
    if (sent == 0) send_failed_ = true;
    note_sent(SentItem::Kind::position, nullptr, nullptr);
    positions_asked_.push_back(telemetry::tsc());
    asks_position_ = false;
}

void Pipeline::ask_position() {
    if (is_lost() || !positions_asked_.empty() || std::exchange(asks_position_, true)) return;
    post_flush();
}

void Pipeline::write_out() {
    const int left = PQflush(connection_.get());
    if (left < 0) {
        lose(unavailable(fmt::format("the connection to the database was lost: {}",
                                     connection_message(connection_.get()))));
        return;
    }
    if (left > 0) arm_write();
    arm_read();
}

void Pipeline::abandon(Operation& operation) noexcept {
    if (operation.is_linked_in_queue()) operation.unlink_from_queue();
    bool is_front = false;
    for (std::uint32_t i = 0; i < operation.items; ++i) {
        SentItem* const item = sent_.find(operation.first_item + i);
        if (item == nullptr) continue;
        item->operation = nullptr;
        is_front = is_front || item == &sent_.front();
    }
    operation.pipeline = nullptr;
    operation.items = 0;
    if (is_front) resume();  // reading may wait for it to take its rows
}

void Pipeline::close(const Error& why) {
    owner_ = nullptr;
    lose(why);
}

void Pipeline::lose(const Error& why) {
    if (is_lost()) return;
    const auto self = shared_from_this();
    end_answered(std::nullopt);
    end_committing(std::make_exception_ptr(why), Reaction::connection_lost);
    positions_asked_.clear();
    known_position_.reset();
    OperationQueue unfinished;
    while (!sent_.empty()) {
        const SentItem& item = sent_.front();
        if (item.kind == SentItem::Kind::query && item.operation != nullptr) {
            unfinished.push_back(*item.operation);
        }
        sent_.pop();
    }
    unfinished.splice(unfinished.end(), skipped_);
    unfinished.splice(unfinished.end(), queue_);
    for (Operation& operation : unfinished) {
        operation.pipeline = nullptr;
        operation.items = 0;
    }
    socket_->release();
    socket_.reset();
    connection_.reset();
    if (owner_ != nullptr) {
        std::exchange(owner_, nullptr)->lost(*this, why, unfinished);
        return;
    }
    while (!unfinished.empty()) {
        Operation& operation = unfinished.front();
        unfinished.pop_front();
        operation.fail(why, Reaction::connection_lost);
        operation.end();
    }
}

void Pipeline::move_to(const runtime::Executor& executor) {
    LOADSTONE_ASSERT(is_at_rest(), "only a connection at rest changes its loop");
    socket_->release();
    executor_ = executor;
    socket_.emplace(executor_, PQsocket(connection_.get()));
}

bool Pipeline::is_at_rest() const noexcept {
    return !is_lost() && is_idle() && !read_is_armed_ && !write_is_armed_ && !flush_is_posted_ &&
           !read_is_posted_ && PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
}

bool Pipeline::has_unread() const noexcept {
    pollfd at{PQsocket(connection_.get()), POLLIN, 0};
    return ::poll(&at, 1, 0) != 0;
}

int Pipeline::backend() const noexcept { return is_lost() ? 0 : PQbackendPID(connection_.get()); }

std::uint64_t Pipeline::front_ns() const noexcept {
    if (sent_.empty() || front_tsc_ == 0) return 0;
    return telemetry::tsc_to_ns(telemetry::tsc() - front_tsc_);
}

Pipeline::FrontBatch Pipeline::front_batch() const noexcept {
    FrontBatch batch;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        const SentItem& item = sent_.at(i);
        if (item.kind == SentItem::Kind::sync) break;
        if (item.kind != SentItem::Kind::query) continue;
        ++batch.operations;
        if (item.operation == nullptr) ++batch.abandoned;
    }
    return batch;
}

bool Pipeline::is_movable(const SentItem& item, bool may_be_culprit) const noexcept {
    const Operation* const operation = item.operation;
    return item.kind == SentItem::Kind::query && operation != nullptr && !may_be_culprit &&
           !operation->was_moved && !operation->has_given_rows() && !operation->has_rows();
}

bool Pipeline::has_movable() const noexcept {
    if (!queue_.empty() || !skipped_.empty()) return true;
    bool is_culprit = front_batch().operations == 1;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        if (sent_.at(i).kind == SentItem::Kind::sync) is_culprit = false;
        if (is_movable(sent_.at(i), is_culprit)) return true;
    }
    return false;
}

void Pipeline::take_back(OperationQueue& taken) {
    bool is_culprit = front_batch().operations == 1;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        const SentItem& item = sent_.at(i);
        if (item.kind == SentItem::Kind::sync) is_culprit = false;
        if (!is_movable(item, is_culprit)) continue;
        Operation& operation = *item.operation;
        abandon(operation);
        taken.push_back(operation);
    }
    for (OperationQueue* const queue : {&skipped_, &queue_}) {
        while (!queue->empty()) {
            Operation& operation = queue->front();
            queue->pop_front();
            operation.pipeline = nullptr;
            taken.push_back(operation);
        }
    }
}

void Pipeline::cancel_front(Canceller& canceller) {
    if (front_was_cancelled_ || is_lost()) return;
    front_was_cancelled_ = true;
    cancel_tsc_ = telemetry::tsc();
    canceller.cancel(cancel_);
}

std::uint64_t Pipeline::since_cancel_ns() const noexcept {
    if (!front_was_cancelled_ || sent_.empty()) return 0;
    return telemetry::tsc_to_ns(telemetry::tsc() - cancel_tsc_);
}

}  // namespace loadstone::store::postgres
