#include "loadstone/analytics/internal/duckdb_store.h"

#include <algorithm>

#include "loadstone/analytics/internal/wire.h"

namespace loadstone::analytics::internal {

namespace {

// After its deadline the store says so itself; this is for one that does not.
constexpr int grace_ms = 2'000;

int patience_of(const QueryBounds& bounds) {
    return static_cast<int>(bounds.timeout.count()) + grace_ms;
}

std::string body_of(const Question& question) {
    return query_body(question.query.text, question.values, question.bounds);
}

}  // namespace

StoreState DuckDbStore::noted(StoreState state, bool has_changed) {
    const pid_t pid = process_.pid();
    version_.saw(pid, state, has_changed);
    const std::int64_t before = pid == noted_pid_ ? noted_failed_merges_ : 0;
    failed_merges_ += std::max<std::int64_t>(0, state.failed_merges - before);
    noted_pid_ = pid;
    noted_failed_merges_ = state.failed_merges;
    return state;
}

void DuckDbStore::apply(const FactBatch& batch, int timeout_ms) {
    std::string body;
    body.reserve(batch.rows.size() + 1'024);
    WireWriter out(body);
    append(out, batch.from);
    append(out, batch.to);
    out.integer(batch.history);
    out.integer(batch.as_of);
    out.integer(static_cast<std::int64_t>(batch.forms.size()));
    for (const FactForm& form : batch.forms) {
        out.text(form.schema->fact);
        out.text(to_text(form.schema->columns));
    }
    body += batch.rows;
    version_.begin_change();
    noted(client_.apply(body, timeout_ms), true);
}

void DuckDbStore::declare(std::span<const FormRollup> rollups, int timeout_ms) {
    std::string body;
    WireWriter to(body);
    to.integer(std::ssize(rollups));
    for (const FormRollup& each : rollups) {
        to.text(each.form.schema->fact);
        to.text(to_text(each.form.schema->columns));
        to.text(each.name);
        to.text(to_text(*each.rollup));
    }
    version_.begin_change();
    noted(client_.declare(body, timeout_ms), true);
}

void DuckDbStore::replace(const FactRange& range, int timeout_ms) {
    std::string body;
    WireWriter to(body);
    append(to, range.position);
    to.text(range.form.schema->fact);
    to.text(to_text(range.form.schema->columns));
    to.text(range.form.key);
    to.integer(range.from);
    to.integer(range.end);
    body += range.rows;
    version_.begin_change();
    noted(client_.replace(body, timeout_ms), true);
}

std::int64_t DuckDbStore::query(const Question& question, const OnColumns& columns,
                                const OnRows& rows) {
    return client_.query(body_of(question), patience_of(question.bounds), columns, rows).as_of;
}

Exported DuckDbStore::export_file(const Question& question, const std::string& name) {
    std::string body;
    WireWriter to(body);
    to.text(name);
    body += body_of(question);
    Exported made;
    auto on_columns = [](const std::vector<Column>&) {};
    auto on_rows = [&](std::string_view row) {
        WireReader from(row);
        made.rows = from.integer();
        made.bytes = from.integer();
    };
    made.as_of = client_.export_file(body, patience_of(question.bounds), on_columns, on_rows).as_of;
    made.path = options_.folder + "/exports/" + name;
    return made;
}

Query DuckDbStore::columns_of_table() const {
    return {"columns",
            "select column_name from duckdb_columns() where schema_name = 'main' and "
            "table_name = $1"};
}

StoreReport DuckDbStore::report() const {
    StoreReport report;
    report.name = "loadstone-duckdb";
    report.restarts = std::max(0, process_.restarts());
    report.pid = process_.pid();
    report.bytes = process_.file_bytes();
    report.failed_merges = failed_merges_;
    return report;
}

}  // namespace loadstone::analytics::internal
