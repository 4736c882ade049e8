#include "tests/conformance/jobs_sql.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sql_kinds {

using std::chrono::milliseconds;
using test_kinds::note;

namespace {

Task<void> handle_plain(Context& context, Job<Plain> job) {
    note(context, job->text);
    co_return;
}
Task<void> handle_keyed(Context& context, Job<Keyed> job) {
    note(context, job->tenant + " " + job->host + " " + std::to_string(job->number));
    co_return;
}
Task<void> handle_unique_some(Context& context, Job<UniqueSome> job) {
    note(context, job->key);
    co_return;
}
Task<void> handle_versioned(Context& context, Job<Versioned> job) {
    note(context, job->text);
    co_return;
}
template <class T>
Task<void> handle_any(Context&, Job<T>) {
    co_return;
}

std::string renamed(int from, std::string json) {
    EXPECT_EQ(from, 1);
    const auto at = json.find("\"was\"");
    return at == std::string::npos ? json : json.replace(at, 5, "\"text\"");
}

}  // namespace

void declare(loadstone::Handlers& handlers) {
    namespace jobs = loadstone::jobs;
    handlers.handle(handle_plain).priority(2);
    handlers.handle(handle_keyed)
        .tenant(&Keyed::tenant)
        .limit({.name = "ho:st|%", .running_max = 2}, &Keyed::host)
        .limit({.name = "number", .running_max = 2}, &Keyed::number);
    handlers.handle(handle_any<LimitedOnly>)
        .limit({.name = "flag", .running_max = 2}, &LimitedOnly::flag)
        .limit({.name = "names", .running_max = 2}, &LimitedOnly::names);
    handlers.handle(handle_unique_some).unique(&UniqueSome::key, &UniqueSome::number);
    handlers.handle(handle_any<UniqueAll>).unique();
    handlers.handle(handle_any<UniqueFor>).unique_for(milliseconds(3'600'000), &UniqueFor::key);
    handlers.handle(handle_any<UniqueWaits>)
        .unique(&UniqueWaits::key)
        .unique_while(jobs::UniqueWhile::waits);
    handlers.handle(handle_any<Merged>)
        .queue("merged")
        .unique(&Merged::key)
        .bound(3, jobs::OverBound::merge);
    handlers.handle(handle_any<Fleeting>).expires_after(milliseconds(100));
    handlers.handle(handle_versioned).version(2, renamed).priority(-3);
    handlers.handle(handle_any<Bounded>).queue("bounded").bound(3);
    handlers.handle(handle_any<Postponed>)
        .queue("postponed")
        .bound(3, jobs::OverBound::delay, milliseconds(3'600'000));
    handlers.handle(handle_any<Everything>)
        .unique()
        .limit({.name = "real", .running_max = 1}, &Everything::real)
        .limit({.name = "part", .running_max = 1}, &Everything::part)
        .limit({.name = "text", .running_max = 1}, &Everything::text);
}

void declare_older(loadstone::Handlers& handlers) {
    handlers.handle(handle_versioned).priority(-3);
}

}  // namespace sql_kinds

namespace tests::conformance {

namespace {

using loadstone::store::Command;
using loadstone::store::Query;

constexpr Command enqueue_by_sql{
    .name = "test.enqueue",
    .sqlite = "",
    .postgres = "select loadstone.enqueue($1, $2::jsonb, $3::jsonb) as id",
    .parameters = 3};

constexpr Query row_text{
    .name = "test.row",
    .sqlite = "",
    .postgres =
        "select row_to_json(r)::text as row from ("
        "select 'ready' as place, queue, partition_key, priority, kind, arguments, "
        "idempotency_key, cause, run_at - enqueued_at as delay, attempt, crashes, last_error, "
        "extra, (select json_agg(json_build_array(u.unique_key, u.job = $1, u.until > 0)) from "
        "loadstone_unique as u) as keys from loadstone_ready where seq = $1 and job is null "
        "union all "
        "select 'scheduled', queue, partition_key, priority, kind, arguments, idempotency_key, "
        "cause, null, attempt, crashes, last_error, extra, (select "
        "json_agg(json_build_array(u.unique_key, u.job = $1, u.until > 0)) from loadstone_unique "
        "as u) from loadstone_scheduled where id = $1) as r",
    .parameters = 1};

constexpr Query arguments_text{.name = "test.arguments",
                               .sqlite = "",
                               .postgres = "select arguments from loadstone_ready where seq = $1",
                               .parameters = 1};

constexpr Command forget{.name = "test.forget",
                         .sqlite = "",
                         .postgres =
                             "with r as (delete from loadstone_ready), s as (delete from "
                             "loadstone_scheduled) delete from loadstone_unique",
                         .parameters = 0};

Task<void> declare_on_loop(Node* node, bool is_start, std::size_t* count) {
    Context context(node->services, Deadline::in(milliseconds(10'000)));
    *count = co_await jobs::declare_kinds(context, *node->queue, is_start);
}

}  // namespace

Task<std::vector<std::string>> both_rows(Tx& tx, std::string kind, std::string arguments,
                                         std::int64_t delay_ms) {
    std::vector<std::string> rows;
    jobs::EnqueueOptions options;
    options.delay = milliseconds(delay_ms);
    const std::int64_t by_cpp = co_await jobs::enqueue_json(tx, kind, arguments, options);
    rows.push_back(co_await tx.one<std::string>(row_text, by_cpp));
    co_await tx.exec(forget);
    const std::string sql_options =
        R"({"cause":"test","delay_ms":)" + std::to_string(delay_ms) + "}";
    const auto by_sql = co_await tx.one<std::int64_t>(enqueue_by_sql, kind, arguments, sql_options);
    rows.push_back(co_await tx.one<std::string>(row_text, by_sql));
    co_await tx.exec(forget);
    co_return rows;
}

Task<std::vector<std::string>> rows_of(Tx& tx, std::string kind, std::string arguments) {
    const auto id =
        co_await tx.one<std::int64_t>(enqueue_by_sql, kind, arguments, std::string("{}"));
    std::vector<std::string> rows;
    rows.push_back(co_await tx.one<std::string>(arguments_text, id));
    co_await tx.exec(forget);
    co_return rows;
}

// The block of the guide that is marked "grants".
std::string enqueue_grants(const std::string& role) {
    const char* root = std::getenv("LOADSTONE_SOURCE_DIR");
    const std::filesystem::path source = root != nullptr ? root : ".";
    std::ifstream file(source / "docs/guides/jobs_from_other_languages.md");
    std::ostringstream text;
    text << file.rdbuf();
    std::string guide = text.str();
    const auto begin = guide.find("grant usage on schema");
    std::string grants = guide.substr(begin, guide.find("```", begin) - begin);
    const std::string placeholder = "enqueuer";
    for (auto at = grants.find(placeholder); at != std::string::npos; at = grants.find(placeholder))
        grants.replace(at, placeholder.size(), role);
    return grants;
}

PostgresServer& JobsSql::server() {
    static PostgresServer server;
    return server;
}

JobsSql::JobsSql() : node_(std::make_unique<Node>(database_.url(), diary_, sql_kinds::declare)) {
    declare_kinds(node(), true);
    psql(
        "create function failure_of(statement text) returns text language plpgsql as $$ begin "
        "execute statement; return 'none'; exception when others then return sqlstate || ' ' || "
        "sqlerrm; end $$");
}

std::int64_t JobsSql::enqueue(const std::string& kind, const std::string& arguments,
                              const std::string& options) {
    return std::stoll(
        psql("select loadstone.enqueue('" + kind + "', '" + arguments + "', '" + options + "')"));
}

std::string JobsSql::failure(const std::string& kind, const std::string& arguments,
                             const std::string& options) {
    return psql("select failure_of($$select loadstone.enqueue('" + kind + "', '" + arguments +
                "', '" + options + "')$$)");
}

std::size_t JobsSql::declare_kinds(Node& of, bool is_start) {
    std::size_t count = 0;
    runtime::TaskScope scope("test");
    scope.spawn(of.loops.executor(0), declare_on_loop(&of, is_start, &count));
    EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
    return count;
}

}  // namespace tests::conformance
