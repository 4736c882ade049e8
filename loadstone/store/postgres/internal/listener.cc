#include "loadstone/store/postgres/internal/listener.h"

#include <boost/asio/post.hpp>

#include "loadstone/base/log.h"
#include "loadstone/runtime/loops.h"

namespace loadstone::store::postgres {

namespace asio = boost::asio;

namespace {

constexpr Query listen_statement{"loadstone.listen", "", "select 1", 0};

}  // namespace

std::string quoted_name(std::string_view name) {
    std::string text = "\"";
    for (const char c : name) {
        text += c;
        if (c == '"') text += c;
    }
    return text + '"';
}

void Listener::listen(std::string_view channel, std::function<void()> woken) {
    const std::scoped_lock lock(mutex_);
    entries_.push_back({std::string(channel), std::move(woken)});
    if (executor_) asio::post(*executor_, [self = shared_from_this()] { self->changed_.wake(); });
}

void Listener::start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
                     std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks) {
    connector_ = std::move(connector);
    deadlines_ = std::move(deadlines);
    {
        const std::scoped_lock lock(mutex_);
        executor_ = executor;
    }
    tasks.spawn(executor, run());
}

void Listener::stop() {
    is_stopped_ = true;
    connector_->stop();
    if (const auto pipeline = std::move(pipeline_)) {
        pipeline->close(unavailable("the store has been stopped"));
    }
    changed_.wake();
}

Task<void> Listener::run() {
    const auto self = shared_from_this();
    while (!is_stopped_) {
        bool has_entries = false;
        {
            const std::scoped_lock lock(mutex_);
            has_entries = !entries_.empty();
        }
        if (has_entries && is_pooled_) {
            const Deadline next = Deadline::in(poll_every);
            co_await runtime::sleep_until(next);
            if (!is_stopped_) wake(nullptr);
            continue;
        }
        if (has_entries) {
            try {
                if (pipeline_ == nullptr) co_await connect();
                co_await listen_to_new();
            } catch (const Error& error) {
                if (is_stopped_) break;
                log::debug("listening failed", {{"error", error.message()}});
                if (const auto pipeline = std::move(pipeline_)) pipeline->close(error);
                connector_->failed(error);
                continue;
            }
        }
        co_await changed_.wait();
    }
}

Task<void> Listener::connect() {
    ConnectionHandle connection = co_await connector_->open(Deadline::unbounded());
    if (is_stopped_) throw unavailable("the store has been stopped");
    PipelineOptions options;
    options.prepares = false;
    options.watches_idle = true;
    listened_.clear();
    const runtime::Executor executor = *executor_;
    pipeline_ = std::make_shared<Pipeline>(std::move(connection), executor, options,
                                           static_cast<PipelineOwner*>(this));
    pipeline_->start();
}

std::vector<std::string> Listener::new_channels() {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> channels;
    for (const Entry& entry : entries_) {
        if (!listened_.contains(entry.channel)) channels.push_back(entry.channel);
    }
    return channels;
}

Task<void> Listener::listen_to_new() {
    const std::vector<std::string> channels = new_channels();
    if (channels.empty()) co_return;
    Context context(no_services_, Deadline::in(std::chrono::seconds(10)));
    Operation operation(context, listen_statement, {}, nullptr);
    for (const std::string& channel : channels) {
        operation.before.push_back("listen " + quoted_name(channel));
    }
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    auto ignore = [](const Row&) {};
    co_await operation.complete(ignore, true);
    listened_.insert(channels.begin(), channels.end());
    wake(&listened_);
}

void Listener::lost(Pipeline& /*pipeline*/, const Error& why, OperationQueue& unfinished) {
    log::warning("the listening connection was lost", {{"error", why.message()}});
    pipeline_.reset();
    while (!unfinished.empty()) {
        Operation& operation = unfinished.front();
        unfinished.pop_front();
        operation.fail(why, Reaction::connection_lost);
        operation.end();
    }
    changed_.wake();
}

void Listener::notified(std::string_view channel, int sender) {
    if (sender == own_backend_.load(std::memory_order_relaxed)) return;
    if (notified_.empty()) {
        asio::post(*executor_, [self = shared_from_this()] {
            const std::set<std::string> channels = std::exchange(self->notified_, {});
            if (!self->is_stopped_) self->wake(&channels);
        });
    }
    notified_.emplace(channel);
}

void Listener::wake(const std::set<std::string>* channels) {
    std::vector<std::function<void()>> woken;
    {
        const std::scoped_lock lock(mutex_);
        for (const Entry& entry : entries_) {
            if (channels == nullptr || channels->contains(entry.channel))
                woken.push_back(entry.woken);
        }
    }
    for (const auto& call : woken) {
        try {
            call();
        } catch (...) {
            log::error("a listener threw",
                       {{"error", error_from_exception(std::current_exception()).message()}});
        }
    }
}

}  // namespace loadstone::store::postgres
