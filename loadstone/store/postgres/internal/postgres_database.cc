#include "loadstone/store/postgres/internal/postgres_database.h"

#include <atomic>
#include <future>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/store/internal/backend.h"

namespace loadstone::store {

namespace postgres {

namespace {

constexpr Query read_check{"loadstone.check_read", "", "select true", 0};
constexpr Query write_check{
    "loadstone.check_write", "",
    "select not pg_is_in_recovery() and not current_setting('transaction_read_only')::boolean", 0};
constexpr Query clock_time{"loadstone.clock_time", "",
                           "select (extract(epoch from clock_timestamp()) * 1000000)::bigint", 0};

Task<void> require_writable(Tx& tx) {
    const bool is_writable = co_await tx.one<bool>(write_check);
    if (!is_writable) throw unavailable("the database is a standby and takes no writes");
}

}  // namespace

PostgresDatabase::PostgresDatabase(const DatabaseOptions& options, telemetry::Registry& registry)
    : options_(options),
      target_(target_of(options)),
      registry_(registry),
      statistics_(options.statistics, registry),
      metrics_(registry, statistics_),
      canceller_(registry),
      reads_(*this),
      tasks_("store/postgres"),
      listener_(std::make_shared<Listener>(target_.is_pooled)),
      notifier_(std::make_shared<Notifier>(target_.is_pooled, listener_)) {}

PostgresDatabase::~PostgresDatabase() { stop(); }

std::shared_ptr<Connector> PostgresDatabase::connector(Use use) {
    return std::make_shared<Connector>(target_, use, options_, registry_);
}

void PostgresDatabase::start(runtime::Loops& loops) {
    LOADSTONE_ASSERT(loops_ == nullptr && transactions_ == nullptr, "a store is started once");
    loops_ = &loops;
    if (options_.statistics.samples_plans && !target_.is_pooled) {
        sampler_ = std::make_unique<PlanSampler>(options_, statistics_, registry_);
        metrics_.sampler = sampler_.get();
        sampler_->start();
    }
    LoopReadsOptions read_options;
    read_options.depth_max = options_.pipeline_depth_max;
    read_options.statement_timeout_max = options_.statement_timeout_max;
    read_options.is_pooled = target_.is_pooled;
    std::vector<Transactions::Loop> transaction_loops;
    for (int i = 0; i < loops.size(); ++i) {
        const runtime::Executor executor = loops.executor(i);
        auto deadlines = std::make_shared<Deadlines>(executor);
        loop_reads_.push_back(std::make_shared<LoopReads>(
            executor, read_options, connector(Use::read), deadlines, canceller_, metrics_, tasks_));
        transaction_loops.push_back({executor, connector(Use::transaction), deadlines});
    }
    const auto first = transaction_loops.front();
    transactions_ = std::make_shared<Transactions>(
        options_, target_.is_pooled, std::move(transaction_loops), canceller_, metrics_, tasks_);
    for (int i = 0; i < loops.size(); ++i) {
        loops.post(i, [reads = loop_reads_[static_cast<std::size_t>(i)]] { reads->start(); });
    }
    listener_->start(first.executor, connector(Use::listen), first.deadlines, tasks_);
    notifier_->start(first.executor, connector(Use::notify), first.deadlines, tasks_);
    add_gauges();
}

void PostgresDatabase::add_gauges() {
    registry_.gauge(this, "loadstone_postgres_transactions_in_use", "",
                    "Connections that run a transaction",
                    [this] { return static_cast<double>(transactions_->usage().in_use); });
    registry_.gauge(this, "loadstone_postgres_transactions_waiting", "",
                    "Transactions that wait for a connection",
                    [this] { return static_cast<double>(transactions_->usage().waiting); });
    registry_.gauge(this, "loadstone_postgres_transactions_max", "", "Connections of the pool",
                    [this] { return static_cast<double>(options_.transactions_max); });
    for (std::size_t i = 0; i < loop_reads_.size(); ++i) {
        registry_.gauge(
            this, "loadstone_postgres_reads_under_way",
            telemetry::metric_label("loop", std::to_string(i)), "Reads in the pipelines of a loop",
            [reads = loop_reads_[i]] { return static_cast<double>(reads->under_way()); });
    }
}

void PostgresDatabase::stop() {
    if (loops_ == nullptr) return;
    LOADSTONE_ASSERT(runtime::Loops::current() < 0, "a loop cannot wait for itself");
    registry_.remove_gauges(this);
    if (sampler_ != nullptr) sampler_->stop();
    transactions_->stop();
    struct Stopping {
        std::atomic<int> left;
        std::promise<void> done;
    };
    // Shared, because a loop that has ended does not run what is posted to it.
    const auto stopping = std::make_shared<Stopping>(loops_->size());
    for (int i = 0; i < loops_->size(); ++i) {
        loops_->post(
            i, [stopping, reads = loop_reads_[static_cast<std::size_t>(i)],
                listener = i == 0 ? listener_ : nullptr, notifier = i == 0 ? notifier_ : nullptr] {
                if (listener != nullptr) listener->stop();
                if (notifier != nullptr) notifier->stop();
                reads->stop();
                if (stopping->left.fetch_sub(1) == 1) stopping->done.set_value();
            });
    }
    const Deadline deadline = Deadline::in(std::chrono::seconds(5));
    stopping->done.get_future().wait_until(deadline.instant());
    tasks_.close();
    if (!tasks_.join_blocking(deadline)) {
        log::error("the store did not come to rest", {{"tasks", tasks_.running()}});
    }
    loops_ = nullptr;
}

Task<RunResult> PostgresDatabase::Reads::run(Context& context, StatementRef statement,
                                             std::span<const Value> values, RowSink sink) {
    const int loop = runtime::Loops::current();
    LOADSTONE_ASSERT(loop >= 0 && static_cast<std::size_t>(loop) < database_.loop_reads_.size(),
                     "a read runs on a loop of a started store");
    return database_.loop_reads_[static_cast<std::size_t>(loop)]->run(context, statement, values,
                                                                      sink);
}

Task<void> PostgresDatabase::transact(Context& context, TxBody body) {
    LOADSTONE_ASSERT(transactions_ != nullptr, "a transaction runs on a started store");
    return transactions_->transact(context, std::move(body));
}

Task<void> PostgresDatabase::check(Context& context) {
    Reader reader(context, reads_);
    co_await reader.one<bool>(read_check);
    const TxBody body = [](Tx& tx) { return require_writable(tx); };
    co_await transact(context, body);
}

Task<Timestamp> PostgresDatabase::now(Context& context) {
    Reader reader(context, reads_);
    const auto micros = co_await reader.one<std::int64_t>(clock_time);
    co_return Timestamp{micros};
}

void PostgresDatabase::listen(std::string_view channel, std::function<void()> woken) {
    listener_->listen(channel, std::move(woken));
}

void PostgresDatabase::notify(std::string_view channel) { notifier_->notify(channel); }

}  // namespace postgres

namespace internal {

void check_postgres_url(const std::string& url) {
    DatabaseOptions options;
    options.url = url;
    postgres::target_of(options);
}

std::unique_ptr<Database> open_postgres(const DatabaseOptions& options,
                                        telemetry::Registry& registry) {
    return std::make_unique<postgres::PostgresDatabase>(options, registry);
}

}  // namespace internal

}  // namespace loadstone::store
