#pragma once
// A process with a database, a queue and a runner, for tests of jobs on every database.

#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/sql.h"
#include "tests/conformance/conformance.h"

namespace conformance_jobs {

struct Note {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Note, (), (text))

struct Urgent {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Urgent, (), (text))

// What ran, in order; a service of the test.
struct Diary {
    std::mutex mutex;
    std::vector<std::string> runs;

    void ran(const std::string& text) {
        const std::lock_guard lock(mutex);
        runs.push_back(text);
    }
    std::vector<std::string> all() {
        const std::lock_guard lock(mutex);
        return runs;
    }
};

inline loadstone::Task<void> handle_note(loadstone::Context& context, loadstone::Job<Note> job) {
    context.services().get<Diary>().ran(job->text);
    if (job->text == "garbled")
        throw std::runtime_error(std::string("bytes \xff\xfe and \0 zero", 17));
    if (job->text == "long") {
        std::string umlauts;
        for (int i = 0; i < 3'000; ++i) umlauts += "\xc3\xa4";
        throw std::runtime_error(umlauts);
    }
    if (job->text == "completed") {
        co_await context.write(loadstone::jobs::complete, job.lease());
        throw loadstone::Error(loadstone::Errc::internal, "after all was done");
    }
}

inline loadstone::Task<void> handle_urgent(loadstone::Context& context,
                                           loadstone::Job<Urgent> job) {
    context.services().get<Diary>().ran(job->text);
    co_return;
}

}  // namespace conformance_jobs

namespace tests::conformance {

namespace jobs = loadstone::jobs;
namespace runtime = loadstone::runtime;
using conformance_jobs::Diary;
using conformance_jobs::Note;
using conformance_jobs::Urgent;
using std::chrono::milliseconds;

template <class Job>
Task<std::int64_t> enqueue_in(Tx& tx, Job job) {
    co_return co_await jobs::enqueue(tx, job);
}

inline jobs::internal::FinishedRuns only(jobs::internal::Finished run) {
    return std::make_shared<const std::vector<jobs::internal::Finished>>(1, std::move(run));
}
inline const auto no_limits = std::make_shared<const jobs::internal::LimitBook>();
inline const jobs::internal::SharedClaimLoans no_loans;
inline jobs::internal::LaneClaims lanes_of(std::vector<jobs::internal::LaneClaim> lanes) {
    return std::make_shared<const std::vector<jobs::internal::LaneClaim>>(std::move(lanes));
}

// One process with a database, a queue and, once run(), a runner.
struct Node {
    using Declare = void (*)(loadstone::Handlers&);
    Node(const std::string& url, Diary& diary, Declare declare = nullptr)
        : options(test_options(url)) {
        migrate(options, jobs::sql::migrations);
        database = loadstone::store::open_database(options, registry);
        jobs::Declarations declared;
        loadstone::Handlers handlers("test", declared);
        handlers.handle(conformance_jobs::handle_note).attempts(1);
        handlers.handle(conformance_jobs::handle_urgent).priority(5);
        if (declare != nullptr) declare(handlers);
        queue = std::make_unique<jobs::Queue>(std::move(declared), *database, registry);
        services.add<loadstone::store::Database>(*database);
        services.add<jobs::Queue>(*queue);
        services.add<Diary>(diary);
        loops.start();
        database->start(loops);
        runner_options.heartbeat_every = milliseconds(100);
        runner_options.dead_after = milliseconds(1'000);
        runner_options.poll_every = milliseconds(200);
    }
    ~Node() {
        if (runner) {
            EXPECT_TRUE(runner->stop(Deadline::in(milliseconds(5'000))));
        }
        database->stop();
        loops.stop();
    }
    static void migrate(const loadstone::store::DatabaseOptions& options,
                        std::span<const loadstone::store::Migration> steps) {
        const std::vector<loadstone::store::ModuleMigrations> modules{
            loadstone::store::store_migrations(), {"loadstone_jobs", steps}};
        loadstone::store::migrate(options, modules);
    }
    void run() {
        runner = std::make_unique<jobs::Runner>(runner_options, *queue, jobs::JobBulkheads{}, loops,
                                                services, registry);
        runner->start();
    }
    // Runs a command in a transaction of its own.
    template <class Command, class... Arguments>
    auto write(Command command, Arguments... arguments) {
        using T = typename loadstone::store::internal::TaskValue<
            std::invoke_result_t<Command&, Tx&, const Arguments&...>>::type;
        std::optional<T> result;
        std::exception_ptr error;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), write_on_loop(command, &result, &error, arguments...));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }
    template <class T, class Command, class... Arguments>
    Task<void> write_on_loop(Command command, std::optional<T>* result, std::exception_ptr* error,
                             Arguments... arguments) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        context.span().start(0, "test");
        try {
            result->emplace(co_await context.write(command, arguments...));
        } catch (...) {
            *error = std::current_exception();
        }
    }
    std::int64_t enqueue(const std::string& text) { return write(enqueue_in<Note>, Note{text}); }
    std::int64_t enqueue_urgent(const std::string& text) {
        return write(enqueue_in<Urgent>, Urgent{text});
    }
    template <class T>
    T read(Task<T> (*query)(Reader)) {
        std::optional<T> result;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), read_on_loop(query, &result));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return std::move(*result);
    }
    template <class T>
    Task<void> read_on_loop(Task<T> (*query)(Reader), std::optional<T>* result) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        result->emplace(co_await query(context.reader()));
    }
    std::string why(std::int64_t id) {
        std::string sentence;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), why_on_loop(id, &sentence));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return sentence;
    }
    Task<void> why_on_loop(std::int64_t id, std::string* sentence) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        *sentence = co_await jobs::why(context.reader(), id);
    }
    std::string why_not_retried(std::int64_t id) {
        std::string sentence;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), why_not_retried_on_loop(id, &sentence));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return sentence;
    }
    Task<void> why_not_retried_on_loop(std::int64_t id, std::string* sentence) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        *sentence = co_await jobs::why_not_retried(context.reader(), id);
    }
    std::map<std::int64_t, jobs::JobRow> jobs_by_id(std::vector<std::int64_t> ids) {
        std::map<std::int64_t, jobs::JobRow> found;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), jobs_on_loop(std::move(ids), &found));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return found;
    }
    Task<void> jobs_on_loop(std::vector<std::int64_t> ids,
                            std::map<std::int64_t, jobs::JobRow>* found) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        *found = co_await jobs::jobs_by_id(context.reader(), std::move(ids));
    }
    std::optional<jobs::Progress> progress(std::int64_t id) {
        std::optional<jobs::Progress> found;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), progress_on_loop(id, &found));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return found;
    }
    Task<void> progress_on_loop(std::int64_t id, std::optional<jobs::Progress>* found) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        *found = co_await jobs::progress_of(context.reader(), id);
    }
    std::vector<jobs::JobRow> jobs_of(const std::string& state) {
        std::vector<jobs::JobRow> rows;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), list_on_loop(state, &rows));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return rows;
    }
    Task<void> list_on_loop(std::string state, std::vector<jobs::JobRow>* rows) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        jobs::JobFilter filter;
        filter.state = std::move(state);
        filter.limit = 1'000;
        *rows = co_await jobs::list_jobs(context.reader(), std::move(filter));
    }

    loadstone::telemetry::Registry registry;
    loadstone::store::DatabaseOptions options;
    runtime::Loops loops{{.threads = 2, .blocked_after = milliseconds(1'000)}, registry};
    runtime::Services services;
    std::unique_ptr<loadstone::store::Database> database;
    std::unique_ptr<jobs::Queue> queue;
    jobs::RunnerOptions runner_options;
    std::unique_ptr<jobs::Runner> runner;
};

// Of all limits, what is held.
inline Task<std::int64_t> places_taken(Reader reader) {
    static constexpr loadstone::store::Query query{
        .name = "test.places",
        .sqlite = "select coalesce(sum(running), 0) from loadstone_limit_states",
        .postgres =
            "select cast(coalesce(sum(running), 0) - (select coalesce(sum(places), 0) "
            "from loadstone_limit_releases) as bigint) from loadstone_limit_states"};
    co_return co_await reader.one<std::int64_t>(query);
}

class JobQueue : public testing::TestWithParam<Backend> {
protected:
    TestDatabase database_{GetParam()};
    Diary diary_;
};

}  // namespace tests::conformance
