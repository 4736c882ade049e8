#include "loadstone/store/postgres/internal/notifier.h"

#include <boost/asio/post.hpp>

#include "loadstone/base/log.h"
#include "loadstone/runtime/loops.h"

namespace loadstone::store::postgres {

namespace asio = boost::asio;

namespace {

constexpr Query notify_statement{"loadstone.notify", "", "select 1", 0};

}  // namespace

void Notifier::notify(std::string_view channel) {
    const std::scoped_lock lock(mutex_);
    if (pending_.contains(channel) || pending_.size() >= channels_max) return;
    const bool was_empty = pending_.empty();
    pending_.emplace(channel);
    if (was_empty && executor_) {
        asio::post(*executor_, [self = shared_from_this()] { self->changed_.wake(); });
    }
}

void Notifier::start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
                     std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks) {
    connector_ = std::move(connector);
    deadlines_ = std::move(deadlines);
    {
        const std::scoped_lock lock(mutex_);
        executor_ = executor;
    }
    tasks.spawn(executor, run());
}

void Notifier::stop() {
    is_stopped_ = true;
    connector_->stop();
    if (const auto pipeline = std::move(pipeline_)) {
        pipeline->close(unavailable("the store has been stopped"));
    }
    changed_.wake();
}

Task<void> Notifier::run() {
    const auto self = shared_from_this();
    while (!is_stopped_) {
        Channels channels;
        {
            const std::scoped_lock lock(mutex_);
            channels.swap(pending_);
        }
        if (channels.empty()) {
            co_await changed_.wait();
            continue;
        }
        const Deadline next = Deadline::in(pause);
        try {
            co_await send(channels);
        } catch (const Error& error) {
            if (is_stopped_) co_return;
            log::debug("notifying failed", {{"error", error.message()}});
            if (const auto pipeline = std::move(pipeline_)) pipeline->close(error);
            const std::scoped_lock lock(mutex_);
            pending_.merge(channels);
        }
        co_await runtime::sleep_until(next);
    }
}

Task<void> Notifier::send(const Channels& channels) {
    if (pipeline_ != nullptr && (pipeline_->is_lost() || pipeline_->has_unread())) {
        pipeline_->close(unavailable("the connection was closed by the server"));
        pipeline_.reset();
    }
    if (pipeline_ == nullptr) {
        ConnectionHandle connection = co_await connector_->open(Deadline::unbounded());
        if (is_stopped_) throw unavailable("the store has been stopped");
        PipelineOptions options;
        options.prepares = false;
        const runtime::Executor executor = *executor_;
        pipeline_ = std::make_shared<Pipeline>(std::move(connection), executor, options, nullptr);
        if (!is_pooled_) own_listener_->ignore(pipeline_->backend());
    }
    Context context(no_services_, Deadline::in(std::chrono::seconds(5)));
    Operation operation(context, notify_statement, {}, nullptr);
    for (const std::string& channel : channels) {
        operation.before.push_back("notify " + quoted_name(channel));
    }
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    auto ignore = [](const Row&) {};
    co_await operation.complete(ignore, true);
}

}  // namespace loadstone::store::postgres
