// Inspection of a PostgreSQL server: its own views, and nothing that an extension brings unless it
// is there.

#include "loadstone/store/inspection.h"

#include <fmt/format.h>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/postgres/internal/blocking_connection.h"
#include "loadstone/store/postgres/internal/negotiation.h"
#include "loadstone/store/postgres/internal/plan_text.h"

namespace loadstone::store {

namespace postgres {

namespace {

// waitstart is null for a moment after the wait has begun.
constexpr const char* lock_waits_sql =
    "select format('pid %s (%s)', w.pid, w.application_name), w.query, "
    "format('pid %s (%s)', h.pid, h.application_name), h.state, h.query, "
    "coalesce(trim(concat_ws(' ', l.locktype, l.relation::regclass::text, l.mode)), ''), "
    "coalesce(extract(epoch from clock_timestamp() - l.waitstart), 0), "
    "extract(epoch from clock_timestamp() - h.xact_start) "
    "from pg_stat_activity w cross join lateral unnest(pg_blocking_pids(w.pid)) as b(pid) "
    "join pg_stat_activity h on h.pid = b.pid "
    "left join lateral (select * from pg_locks where pid = w.pid and not granted limit 1) l on "
    "true "
    "where w.datname = current_database() and w.wait_event_type = 'Lock' "
    "order by l.waitstart limit 1000";

constexpr const char* tables_sql =
    "select relid::regclass::text, pg_total_relation_size(relid), n_live_tup, n_dead_tup, "
    "seq_scan, "
    "coalesce(idx_scan, 0), "
    "coalesce(to_char(greatest(last_vacuum, last_autovacuum) at time zone 'utc', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'never'), "
    "coalesce(to_char(greatest(last_analyze, last_autoanalyze) at time zone 'utc', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'never') "
    "from pg_stat_user_tables order by n_dead_tup desc, relid limit 1000";

constexpr const char* indexes_sql =
    "select s.indexrelid::regclass::text, s.relid::regclass::text, pg_relation_size(s.indexrelid), "
    "s.idx_scan, i.indisunique from pg_stat_user_indexes s join pg_index i using (indexrelid) "
    "order by pg_relation_size(s.indexrelid) desc, s.indexrelid limit 1000";

constexpr const char* role_sql =
    "select pg_is_in_recovery(), "
    "coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0)";

constexpr const char* replicas_sql =
    "select application_name, coalesce(host(client_addr) || ':' || client_port, 'local'), "
    "coalesce(state, ''), coalesce(sync_state, ''), "
    "coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint, "
    "coalesce(extract(epoch from replay_lag), 0) from pg_stat_replication order by 1, 2";

constexpr const char* connections_sql =
    "select current_setting('max_connections'), current_setting('superuser_reserved_connections'), "
    "count(*), count(*) filter (where application_name = 'loadstone') from pg_stat_activity "
    "where datid is not null and usesysid is not null "
    "and coalesce(backend_type, 'client backend') = 'client backend'";

// {}: the class of the locks (negotiation.h).
constexpr const char* holders_sql =
    "select format('pid %s (%s) at %s', l.pid, a.application_name, "
    "coalesce(a.client_addr::text, 'local')), max(l.objid::bigint) "
    "from pg_locks as l join pg_stat_activity as a on a.pid = l.pid "
    "where l.locktype = 'advisory' and l.classid = {}::oid and l.objsubid = 2 and l.granted "
    "and l.mode = 'ShareLock' group by 1 order by 1";

constexpr const char* extensions_sql =
    "select extname from pg_extension where extname in ('pg_stat_statements', 'pg_stat_kcache')";

constexpr const char* statements_sql =
    "select query, sum(calls), sum(rows), sum(temp_blks_written) * 8192, "
    "sum(shared_blks_read) * 8192, sum(shared_blks_hit) * 8192, sum(total_exec_time) "
    "from pg_stat_statements where dbid = (select oid from pg_database "
    "where datname = current_database()) group by query order by 7 desc limit 5000";

constexpr const char* kcache_sql =
    "select s.query, sum(k.exec_user_time + k.exec_system_time) * 1000, sum(k.exec_reads)::bigint "
    "from pg_stat_kcache() k join pg_stat_statements s on s.queryid = k.queryid and s.dbid = "
    "k.dbid "
    "and s.userid = k.userid and s.toplevel = k.top where k.dbid = (select oid from pg_database "
    "where datname = current_database()) group by s.query";

constexpr std::string_view statements_gain =
    "pg_stat_statements is not installed (shared_preload_libraries, then create extension): it "
    "would "
    "add temporary files, blocks read and the use by other programs to each statement.";
constexpr std::string_view kcache_gain =
    "pg_stat_kcache is not installed: it would add the CPU time and the reads from disk of each "
    "statement inside PostgreSQL.";

std::string lines_of(const ResultHandle& result) {
    std::string lines;
    for (int row = 0; row < PQntuples(result.get()); ++row)
        lines.append(text_of(result, row, 0)).append("\n");
    return lines;
}

class PostgresInspection final : public Inspection {
public:
    explicit PostgresInspection(const DatabaseOptions& options) : connection_(options) {}

    Dialect dialect() const noexcept override { return Dialect::postgres; }

    ExplainedPlan explain(const StatementText& statement, const std::vector<std::string>& values,
                          bool analyze) override {
        connection_.run("begin read only", {}, statement.name);
        try {
            ExplainedPlan plan = explain_begun(statement, values, analyze);
            // Before the end: behind a pooler the session is another's then.
            connection_.run("deallocate explained", {}, statement.name);
            connection_.run("rollback", {}, statement.name);
            return plan;
        } catch (const Error&) {
            if (!connection_.is_lost()) {
                connection_.run("rollback", {}, statement.name);
                connection_.run("deallocate all", {}, statement.name);
            }
            throw;
        }
    }

    std::vector<LockWait> locks() override {
        const auto rows = connection_.run(lock_waits_sql, {}, "locks");
        std::vector<LockWait> waits;
        for (int i = 0; i < PQntuples(rows.get()); ++i) {
            LockWait& wait = waits.emplace_back();
            wait.waiter = text_of(rows, i, 0);
            wait.waiter_statement = text_of(rows, i, 1);
            wait.holder = text_of(rows, i, 2);
            wait.holder_state = text_of(rows, i, 3);
            wait.holder_statement = text_of(rows, i, 4);
            wait.lock = text_of(rows, i, 5);
            wait.waited_s = number_of(rows, i, 6);
            wait.held_s = number_of(rows, i, 7);
        }
        return waits;
    }

    Space space() override {
        Space space;
        const auto tables = connection_.run(tables_sql, {}, "tables");
        for (int i = 0; i < PQntuples(tables.get()); ++i) {
            TableSpace& table = space.tables.emplace_back();
            table.table = text_of(tables, i, 0);
            table.bytes = count_of(tables, i, 1);
            table.rows = count_of(tables, i, 2);
            table.dead_rows = count_of(tables, i, 3);
            table.scans_full = number_of(tables, i, 4);
            table.scans_index = number_of(tables, i, 5);
            table.last_vacuum = text_of(tables, i, 6);
            table.last_analyze = text_of(tables, i, 7);
        }
        const auto indexes = connection_.run(indexes_sql, {}, "indexes");
        for (int i = 0; i < PQntuples(indexes.get()); ++i) {
            IndexSpace& index = space.indexes.emplace_back();
            index.index = text_of(indexes, i, 0);
            index.table = text_of(indexes, i, 1);
            index.bytes = count_of(indexes, i, 2);
            index.scans = count_of(indexes, i, 3);
            index.is_unique = text_of(indexes, i, 4) == "t";
        }
        return space;
    }

    Replication replication() override {
        Replication replication;
        const auto role = connection_.run(role_sql, {}, "replicas");
        if (text_of(role, 0, 0) == "t") {
            replication.role = "standby";
            replication.lag_s = number_of(role, 0, 1);
            return replication;
        }
        const auto rows = connection_.run(replicas_sql, {}, "replicas");
        for (int i = 0; i < PQntuples(rows.get()); ++i) {
            ReplicaState& replica = replication.replicas.emplace_back();
            replica.name = text_of(rows, i, 0);
            replica.address = text_of(rows, i, 1);
            replica.state = text_of(rows, i, 2);
            replica.sync_state = text_of(rows, i, 3);
            replica.lag_bytes = static_cast<std::int64_t>(number_of(rows, i, 4));
            replica.lag_s = number_of(rows, i, 5);
        }
        replication.role = replication.replicas.empty() ? "single" : "primary";
        return replication;
    }

    ServerConnections connections() override {
        ServerConnections found;
        const auto server = connection_.run(connections_sql, {}, "connections");
        found.max = count_of(server, 0, 0);
        found.reserved = count_of(server, 0, 1);
        found.open = count_of(server, 0, 2);
        found.of_loadstone = count_of(server, 0, 3);
        const auto rows = connection_.run(fmt::format(holders_sql, lock_class), {}, "connections");
        for (int i = 0; i < PQntuples(rows.get()); ++i)
            found.holders.push_back({text_of(rows, i, 0), count_of(rows, i, 1)});
        return found;
    }

    ServerStatistics server_statistics() override {
        ServerStatistics found;
        const auto extensions = connection_.run(extensions_sql, {}, "extensions");
        for (int i = 0; i < PQntuples(extensions.get()); ++i) {
            const std::string name = text_of(extensions, i, 0);
            found.has_statements = found.has_statements || name == "pg_stat_statements";
            found.has_kcache = found.has_kcache || name == "pg_stat_kcache";
        }
        found.has_statements = found.has_statements && read_statements(found);
        found.has_kcache = found.has_kcache && found.has_statements && read_kcache(found);
        if (!found.has_statements) found.advice = statements_gain;
        if (!found.has_kcache)
            found.advice += fmt::format("{}{}", found.advice.empty() ? "" : " ", kcache_gain);
        return found;
    }

private:
    ExplainedPlan explain_begun(const StatementText& statement,
                                const std::vector<std::string>& values, bool analyze) {
        if (values.empty())
            connection_.run("set local plan_cache_mode = force_generic_plan", {}, statement.name);
        connection_.prepare("explained", statement.postgres, statement.name);
        std::string arguments;
        for (int i = 0; i < statement.parameters; ++i) {
            if (i > 0) arguments += ", ";
            arguments +=
                values.empty() ? "null" : connection_.quoted(values[static_cast<std::size_t>(i)]);
        }
        if (!arguments.empty()) arguments = fmt::format("({})", arguments);
        const auto explained =
            connection_.run(fmt::format("explain ({}costs on, format text) execute explained{}",
                                        analyze ? "analyze, buffers, " : "", arguments),
                            {}, statement.name);
        return read_plan(lines_of(explained));
    }

    // An extension may be created and not loaded, and then its views fail.
    bool read_statements(ServerStatistics& found) {
        try {
            const auto rows = connection_.run(statements_sql, {}, "pg_stat_statements");
            for (int i = 0; i < PQntuples(rows.get()); ++i) {
                ServerUse& use = found.statements.emplace_back();
                use.text = text_of(rows, i, 0);
                use.calls = count_of(rows, i, 1);
                use.rows = count_of(rows, i, 2);
                use.temp_bytes = count_of(rows, i, 3);
                use.read_bytes = count_of(rows, i, 4);
                use.hit_bytes = count_of(rows, i, 5);
                use.total_ms = number_of(rows, i, 6);
            }
            return true;
        } catch (const Error&) {
            if (connection_.is_lost()) throw;
            return false;
        }
    }

    bool read_kcache(ServerStatistics& found) {
        try {
            const auto rows = connection_.run(kcache_sql, {}, "pg_stat_kcache");
            for (int i = 0; i < PQntuples(rows.get()); ++i) {
                const std::string text = text_of(rows, i, 0);
                for (ServerUse& use : found.statements) {
                    if (use.text != text) continue;
                    use.cpu_ms = number_of(rows, i, 1);
                    use.disk_bytes = static_cast<std::int64_t>(count_of(rows, i, 2));
                }
            }
            return true;
        } catch (const Error&) {
            if (connection_.is_lost()) throw;
            return false;
        }
    }

    BlockingConnection connection_;
};

}  // namespace

}  // namespace postgres

std::unique_ptr<Inspection> internal::open_postgres_inspection(const DatabaseOptions& options) {
    return std::make_unique<postgres::PostgresInspection>(options);
}

}  // namespace loadstone::store
