#pragma once
// TestDatabase: an empty database of the test's own, on SQLite, PostgreSQL or PostgreSQL behind
// PgBouncer. Servers are started once per test program. TestStore: the store on it, with loops.

#include <future>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/services.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/database.h"
#include "loadstone/store/migrations.h"
#include "tests/support/process.h"

namespace tests {

class PostgresServer;

enum class Backend { sqlite, postgres, pgbouncer };
std::string to_string(Backend backend);
inline std::ostream& operator<<(std::ostream& out, Backend backend) {
    return out << to_string(backend);
}

class TestDatabase {
public:
    explicit TestDatabase(Backend backend);
    // On a server of the test's own, which it may stop.
    explicit TestDatabase(PostgresServer& server);
    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;
    ~TestDatabase();

    const std::string& url() const noexcept { return url_; }
    const std::string& name() const noexcept { return name_; }  // PostgreSQL's

private:
    std::optional<TempDir> directory_;
    PostgresServer* server_ = nullptr;
    std::string name_;
    std::string url_;
};

class TestStore {
public:
    using Deadline = loadstone::runtime::Deadline;

    explicit TestStore(const loadstone::store::DatabaseOptions& options, int threads = 2);
    TestStore(const TestStore&) = delete;
    TestStore& operator=(const TestStore&) = delete;
    ~TestStore();

    loadstone::store::Database& database() noexcept { return *database_; }
    loadstone::telemetry::Registry& registry() noexcept { return registry_; }
    loadstone::runtime::Loops& loops() noexcept { return loops_; }
    const loadstone::runtime::Services& services() const noexcept { return services_; }
    void stop();

    // Runs `command(context, arguments...)`, a Task, on a loop. The context is the call's own.
    template <class Command, class... Arguments>
    auto start(Deadline deadline, Command command, Arguments... arguments);
    // The same, awaited: gives the result or throws what was thrown.
    template <class Command, class... Arguments>
    auto run(Command command, Arguments... arguments) {
        const Deadline deadline = Deadline::in(std::chrono::seconds(20));
        return start(deadline, std::move(command), std::move(arguments)...).get();
    }

private:
    template <class T, class Command, class... Arguments>
    struct Call {
        Call(const loadstone::runtime::Services& services, Deadline deadline, Command c,
             Arguments... a)
            : context(services, deadline), command(std::move(c)), arguments(std::move(a)...) {}
        loadstone::runtime::Context context;
        Command command;
        std::tuple<Arguments...> arguments;
        std::promise<T> promise;
    };
    template <class T, class Held>
    static loadstone::Task<void> keep_promise(std::shared_ptr<Held> call);

    loadstone::telemetry::Registry registry_;
    loadstone::runtime::Loops loops_;
    loadstone::runtime::TaskScope calls_;
    loadstone::runtime::Services services_;
    loadstone::store::StatementBudgets budgets_;
    std::unique_ptr<loadstone::store::Database> database_;
    std::atomic<unsigned> next_loop_{0};
    bool is_stopped_ = false;
};

// The options that tests use: `url`, short timeouts.
loadstone::store::DatabaseOptions test_options(const std::string& url);

template <class T, class Held>
loadstone::Task<void> TestStore::keep_promise(std::shared_ptr<Held> call) {
    auto invoke = [&](auto&... a) { return call->command(call->context, a...); };
    try {
        auto task = std::apply(invoke, call->arguments);
        if constexpr (std::is_void_v<T>) {
            co_await std::move(task);
            call->promise.set_value();
        } else {
            T value = co_await std::move(task);
            call->promise.set_value(std::move(value));
        }
    } catch (...) {
        call->promise.set_exception(std::current_exception());
    }
}

template <class Command, class... Arguments>
auto TestStore::start(Deadline deadline, Command command, Arguments... arguments) {
    using Result = std::invoke_result_t<Command&, loadstone::runtime::Context&, Arguments&...>;
    using T = typename loadstone::store::internal::TaskValue<Result>::type;
    using Held = Call<T, Command, Arguments...>;
    auto call =
        std::make_shared<Held>(services_, deadline, std::move(command), std::move(arguments)...);
    auto future = call->promise.get_future();
    const int loop =
        static_cast<int>(next_loop_.fetch_add(1) % static_cast<unsigned>(loops_.size()));
    calls_.spawn(loops_.executor(loop), keep_promise<T>(std::move(call)));
    return future;
}

}  // namespace tests
