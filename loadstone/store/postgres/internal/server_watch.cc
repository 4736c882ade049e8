#include "loadstone/store/postgres/internal/server_watch.h"

#include "loadstone/base/describe.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/store/reader.h"

namespace loadstone::store::postgres {

BOOST_DESCRIBE_STRUCT(ServerAnswer, (), (is_standby, system, position, history))

namespace {

// A standby's timeline: what it receives, or else where it last wrote down to be. What it receives
// is seen by members of pg_monitor only; others learn of a failover at the next restartpoint.
constexpr Query where_is_it{
    "loadstone.where_is_it", "",
    "select pg_is_in_recovery() as is_standby,"
    " (select system_identifier from pg_control_system()) as system,"
    " ((case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0')"
    " else pg_current_wal_flush_lsn() end) - '0/0'::pg_lsn)::bigint as position,"
    " (case when pg_is_in_recovery() then greatest("
    "(select timeline_id from pg_control_checkpoint()),"
    " (select min_recovery_end_timeline from pg_control_recovery()),"
    " (select received_tli from pg_stat_wal_receiver))::bigint"
    " else ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::bigint"
    " end) as history",
    0};

}  // namespace

void ServerWatch::start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
                        std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks) {
    executor_ = executor;
    connector_ = std::move(connector);
    deadlines_ = std::move(deadlines);
    tasks.spawn(executor, run());
}

void ServerWatch::stop() {
    is_stopped_ = true;
    if (connector_ != nullptr) connector_->stop();
    if (const auto pipeline = std::move(pipeline_))
        pipeline->close(unavailable("the store has been stopped"));
}

Task<void> ServerWatch::run() {
    const auto self = shared_from_this();
    while (!is_stopped_) {
        const auto began = Deadline::Clock::now();
        bool has_failed = false;
        try {
            if (pipeline_ == nullptr) co_await connect();
            co_await ask();
        } catch (const Error& error) {
            has_failed = true;
            log::debug("a server does not say where it is",
                       {{"server", servers_.name(server_)}, {"error", error.message()}});
        }
        if (is_stopped_) co_return;
        if (has_failed) {
            servers_.is_silent(server_);
            if (const auto pipeline = std::move(pipeline_))
                pipeline->close(unavailable("it did not answer"));
        }
        const Deadline next(began + ask_every_);
        co_await runtime::sleep_until(next);
    }
}

Task<void> ServerWatch::connect() {
    ConnectionHandle connection = co_await connector_->open(Deadline::unbounded());
    if (is_stopped_) throw unavailable("the store has been stopped");
    const PipelineOptions options;
    pipeline_ = std::make_shared<Pipeline>(std::move(connection), *executor_, options, nullptr);
    pipeline_->start();
}

Task<void> ServerWatch::ask() {
    Context context(no_services_, Deadline::in(silent_max_));
    Operation operation(context, where_is_it, {}, nullptr);
    if (pipeline_->is_lost()) throw unavailable("the connection was lost");
    const auto asked = Servers::Clock::now();
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    std::optional<ServerAnswer> answer;
    auto take = [&](const Row& row) { answer = decode<ServerAnswer>(row); };
    co_await operation.complete(take, true);
    if (answer) servers_.answered(server_, *answer, asked);
}

}  // namespace loadstone::store::postgres
