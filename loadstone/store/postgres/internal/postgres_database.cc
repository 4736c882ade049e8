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

std::vector<std::shared_ptr<ConnectionBudget>> budgets_of(const std::vector<Target>& targets) {
    std::vector<std::shared_ptr<ConnectionBudget>> budgets;
    for (std::size_t i = 0; i < targets.size(); ++i)
        budgets.push_back(std::make_shared<ConnectionBudget>());
    return budgets;
}

std::vector<std::string> names_of(const std::vector<Target>& targets) {
    std::vector<std::string> names;
    for (const Target& target : targets) names.push_back(target.shown);
    return names;
}

// A session behind a pooler is not the sampler's own.
StatisticsOptions statistics_of(const DatabaseOptions& options, const Target& target) {
    StatisticsOptions statistics = options.statistics;
    statistics.samples_plans = statistics.samples_plans && !target.is_pooled;
    return statistics;
}

}  // namespace

PostgresDatabase::PostgresDatabase(const DatabaseOptions& options, telemetry::Registry& registry)
    : options_(options),
      target_(primary_of(options)),
      registry_(registry),
      statistics_(statistics_of(options, target_), registry),
      metrics_(registry, statistics_),
      canceller_(registry),
      reads_(*this),
      tasks_("store/postgres"),
      targets_(options.replicas.urls.empty() ? std::vector<Target>() : servers_of(options)),
      replica_budgets_(budgets_of(targets_)),
      servers_(names_of(targets_), own_servers_of(options), options.replicas, registry),
      routing_(options.replicas, registry),
      listener_(std::make_shared<Listener>(target_.is_pooled)),
      notifier_(std::make_shared<Notifier>(target_.is_pooled, listener_)) {}

PostgresDatabase::~PostgresDatabase() { stop(); }

std::shared_ptr<Connector> PostgresDatabase::connector(Use use) {
    Connector::MayUse may_use;
    if (servers_.size() > 0)
        may_use = [this](std::size_t server) { return servers_.may_be_primary(server); };
    return std::make_shared<Connector>(target_, use, options_, registry_, budget_,
                                       std::move(may_use));
}

void PostgresDatabase::start(runtime::Loops& loops) {
    LOADSTONE_ASSERT(loops_ == nullptr && transactions_ == nullptr, "a store is started once");
    loops_ = &loops;
    if (statistics_.options().samples_plans) {
        sampler_ = std::make_unique<PlanSampler>(options_, statistics_, registry_);
        metrics_.sampler = sampler_.get();
        sampler_->start();
    }
    std::vector<Transactions::Loop> transaction_loops;
    for (int i = 0; i < loops.size(); ++i) {
        const runtime::Executor executor = loops.executor(i);
        auto deadlines = std::make_shared<Deadlines>(executor);
        make_reading(executor, deadlines);
        transaction_loops.push_back({executor, connector(Use::transaction), deadlines});
    }
    const auto first = transaction_loops.front();
    transactions_ = std::make_shared<Transactions>(
        options_, target_.is_pooled, std::move(transaction_loops), budget_, canceller_, metrics_,
        tasks_, [this] { return servers_.history(); }, moments());
    for (int i = 0; i < loops.size(); ++i) {
        loops.post(i, [this, i] { start_reading(static_cast<std::size_t>(i)); });
    }
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        servers_.set_room(i, false);  // until it has been agreed
        watches_.push_back(std::make_shared<ServerWatch>(servers_, i, options_.replicas));
        watches_.back()->start(
            first.executor,
            std::make_shared<Connector>(targets_[i], Use::watch, options_, registry_),
            first.deadlines, tasks_);
    }
    listener_->start(first.executor, connector(Use::listen), first.deadlines, tasks_);
    notifier_->start(first.executor, connector(Use::notify), first.deadlines, tasks_);
    add_gauges();
    start_negotiating(static_cast<std::size_t>(loops.size()));
}

void PostgresDatabase::start_negotiating(std::size_t loops) {
    using Serves = Negotiation::Serves;
    negotiations_.push_back(std::make_unique<Negotiation>(
        target_, options_, loops, targets_.empty() ? Serves::all : Serves::writes, budget_,
        registry_, [this] { budget_changed(); }));
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        negotiations_.push_back(std::make_unique<Negotiation>(
            targets_[i], options_, loops, Serves::reads, replica_budgets_[i], registry_,
            [this, i] { replica_budget_changed(i); }, Negotiation::Replica{&servers_, i}));
    }
    for (const auto& negotiation : negotiations_) negotiation->start();
}

void PostgresDatabase::budget_changed() {
    transactions_->fit();
    for (const LoopReading& reading : reading_) reading.heavy_gates->resize(heavy_places());
    for (std::size_t i = 0; i < reading_.size(); ++i) {
        loops_->post(static_cast<int>(i),
                     [primary = reading_[i].primary, heavy = reading_[i].heavy] {
                         primary->fit();
                         if (heavy != nullptr) heavy->fit();
                     });
    }
}

void PostgresDatabase::replica_budget_changed(std::size_t server) {
    servers_.set_room(server, replica_budgets_[server]->allowed(Purpose::reads) > 0);
    for (std::size_t i = 0; i < reading_.size(); ++i) {
        reading_[i].heavy_gates->resize(heavy_places());
        loops_->post(static_cast<int>(i),
                     [router = reading_[i].router, server] { router->fit(server); });
    }
}

std::shared_ptr<LoopReads> PostgresDatabase::make_reads(const runtime::Executor& executor,
                                                        std::shared_ptr<Connector> connector,
                                                        std::shared_ptr<Deadlines> deadlines,
                                                        bool is_replica, std::size_t replica,
                                                        Purpose first, Purpose more) {
    LoopReadsOptions options;
    options.depth_max = options_.pipeline_depth_max;
    options.statement_timeout_max = options_.statement_timeout_max;
    options.is_pooled = !is_replica && target_.is_pooled;
    options.tells_positions = !targets_.empty();
    options.is_replica = is_replica;
    options.replica = replica;
    options.first = first;
    options.more = more;
    return std::make_shared<LoopReads>(executor, options, std::move(connector),
                                       std::move(deadlines), canceller_, metrics_, tasks_);
}

void PostgresDatabase::make_reading(const runtime::Executor& executor,
                                    std::shared_ptr<Deadlines> deadlines) {
    const auto own = [&] { return std::make_shared<Deadlines>(executor); };
    LoopReading reading;
    reading.primary = make_reads(executor, connector(Use::read), std::move(deadlines), false);
    if (targets_.empty())
        reading.heavy = make_reads(executor, connector(Use::read), own(), false, 0, Purpose::heavy,
                                   Purpose::more_heavy);
    std::vector<ReadRouter::Replica> replicas;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        const auto replica = [&](Purpose first, Purpose more) {
            auto its = std::make_shared<Connector>(targets_[i], Use::replica, options_, registry_,
                                                   replica_budgets_[i]);
            return make_reads(executor, std::move(its), own(), true, i, first, more);
        };
        replicas.push_back({replica(Purpose::reads, Purpose::more_reads),
                            replica(Purpose::heavy, Purpose::more_heavy)});
    }
    if (!targets_.empty())
        reading.router =
            std::make_shared<ReadRouter>(servers_, routing_, reading.primary, std::move(replicas));
    reading.gates = std::make_unique<internal::ModuleGates>(
        "reads", options_.shares, &ConnectionShare::reads_percent, options_.pipeline_depth_max,
        LoopReads::waiting_factor * options_.pipeline_depth_max, registry_);
    reading.heavy_gates = std::make_unique<internal::ModuleGates>(
        "heavy_reads", options_.shares, &ConnectionShare::reads_percent, heavy_places(),
        options_.pipeline_depth_max, registry_);
    reading_.push_back(std::move(reading));
}

void PostgresDatabase::start_reading(std::size_t loop) {
    LoopReading& reading = reading_[loop];
    reading.primary->start();
    if (reading.router == nullptr) return;
    reading.router->start();
    tasks_.spawn(loops_->executor(static_cast<int>(loop)), keep_asking(loop));
}

void PostgresDatabase::stop_reading(std::size_t loop) {
    LoopReading& reading = reading_[loop];
    if (loop == 0) {
        for (const auto& watch : watches_) watch->stop();
    }
    reading.primary->stop();
    if (reading.heavy != nullptr) reading.heavy->stop();
    if (reading.router != nullptr) reading.router->stop();
}

Task<void> PostgresDatabase::keep_asking(std::size_t loop) {
    while (!is_stopping_) {
        reading_[loop].router->tick();
        const Deadline next = Deadline::in(options_.replicas.ask_every);
        co_await runtime::sleep_until(next);
    }
}

// Of one loop: as many as it has connections for; where no replica has room for this process, for
// those that wait until one has, or are given what is old.
std::size_t PostgresDatabase::heavy_places() const {
    const auto loops = static_cast<std::size_t>(loops_->size());
    const auto places = [loops](const ConnectionBudget& budget) {
        return std::min(1 + budget.allowed(Purpose::more_heavy) / loops,
                        LoopReads::connections_max);
    };
    if (targets_.empty()) return places(*budget_);
    std::size_t all = 0;
    for (const auto& budget : replica_budgets_) {
        if (budget->allowed(Purpose::heavy) > 0) all += places(*budget);
    }
    return all > 0 ? all : LoopReads::connections_max;
}

void PostgresDatabase::add_gauges() {
    registry_.gauge(this, "loadstone_postgres_transactions_in_use", "",
                    "Connections that run a transaction, that of the lease with them",
                    [this] { return static_cast<double>(transactions_->usage().in_use); });
    registry_.gauge(this, "loadstone_postgres_transactions_waiting", "",
                    "Transactions that wait for a connection",
                    [this] { return static_cast<double>(transactions_->usage().waiting); });
    registry_.gauge(this, "loadstone_postgres_transactions_max", "", "Connections of the pool",
                    [this] { return static_cast<double>(transactions_->usage().permits); });
    for (std::size_t i = 0; i < reading_.size(); ++i) {
        registry_.gauge(
            this, "loadstone_postgres_reads_under_way",
            telemetry::metric_label("loop", std::to_string(i)), "Reads in the pipelines of a loop",
            [reads = reading_[i].primary] { return static_cast<double>(reads->under_way()); });
    }
}

void PostgresDatabase::stop() {
    if (loops_ == nullptr) return;
    LOADSTONE_ASSERT(runtime::Loops::current() < 0, "a loop cannot wait for itself");
    registry_.remove_gauges(this);
    for (const auto& negotiation : negotiations_) negotiation->stop();
    if (sampler_ != nullptr) sampler_->stop();
    is_stopping_ = true;
    transactions_->stop();
    struct Stopping {
        std::atomic<int> left;
        std::promise<void> done;
    };
    // Shared, because a loop that has ended does not run what is posted to it.
    const auto stopping = std::make_shared<Stopping>(loops_->size());
    for (int i = 0; i < loops_->size(); ++i) {
        loops_->post(i, [this, i, stopping, listener = i == 0 ? listener_ : nullptr,
                         notifier = i == 0 ? notifier_ : nullptr] {
            if (listener != nullptr) listener->stop();
            if (notifier != nullptr) notifier->stop();
            stop_reading(static_cast<std::size_t>(i));
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
    LOADSTONE_ASSERT(loop >= 0 && static_cast<std::size_t>(loop) < database_.reading_.size(),
                     "a read runs on a loop of a started store");
    LoopReading& reading = database_.reading_[static_cast<std::size_t>(loop)];
    auto& gates = context.reading().is_heavy ? *reading.heavy_gates : *reading.gates;
    std::optional<internal::ModuleGates::Place> place = gates.try_enter(context);
    if (!place) {
        auto entered = co_await gates.enter(context);
        place.emplace(std::move(entered));
    }
    co_return co_await database_.read(reading, context, statement, values, sink);
}

Task<RunResult> PostgresDatabase::read(LoopReading& reading, Context& context,
                                       const StatementRef& statement, std::span<const Value> values,
                                       RowSink sink) {
    if (reading.router != nullptr)
        co_return co_await reading.router->run(context, statement, values, sink);
    const MomentOf seen(&moments_, context.reading());
    ReadPlace place;
    const bool is_heavy = context.reading().is_heavy;
    if (is_heavy && !std::exchange(reading.heavy_is_open, true)) reading.heavy->start();
    const auto reads = is_heavy ? reading.heavy : reading.primary;
    co_return co_await reads->run(context, statement, values, sink, place);
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
