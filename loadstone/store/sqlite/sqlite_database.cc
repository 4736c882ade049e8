// The SQLite backend put together: one writer (writer.h), readers for each loop (readers.h), and a
// thread that ends what waits in the write queue beyond its deadline.

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "loadstone/base/error.h"
#include "loadstone/store/commit_version.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/module_gates.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sqlite/counting_vfs.h"
#include "loadstone/store/sqlite/readers.h"
#include "loadstone/store/sqlite/writer.h"

namespace loadstone::store {

namespace {

using namespace sqlite;  // NOLINT(google-build-using-namespace)

constexpr std::chrono::milliseconds expire_every{10};
constexpr int check_steps_max = 1'000;
// Writes that may be queued or in a group at a time by all modules with a share, in groups: while
// one is committed the next ones are there.
constexpr std::size_t groups_ahead = 4;

constexpr Query alive{.name = "store.alive",
                      .sqlite = "select count(*) from sqlite_master",
                      .postgres = "select 1::bigint",
                      .parameters = 0};

// SQLite's own memory statistics cost a lock that all threads share. Only before its first use.
void configure_library() {
    static const int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    static_cast<void>(code);
}

class SqliteDatabase final : public Database, public CommitVersion {
public:
    SqliteDatabase(const DatabaseOptions& options, telemetry::Registry& registry)
        : vfs_(registry.counter("loadstone_store_fsyncs_total",
                                telemetry::metric_label("database", "sqlite"),
                                "Calls of fsync for the database's files")),
          statistics_(options.statistics, registry),
          file_(file_options(options, registry)),
          writer_(file_, writer_options(options)),
          readers_(file_, reader_options(options)),
          writes_("writes", options.shares, &ConnectionShare::writes_percent,
                  std::min(groups_ahead * options.group_max, options.write_queue_max),
                  options.write_queue_max, registry) {}
    ~SqliteDatabase() override { stop(); }

    Dialect dialect() const noexcept override { return Dialect::sqlite; }

    Connection& read_connection() override {
        if (writer_.on_lane()) {
            throw Error(Errc::internal, "a transaction reads through its Tx, not through a Reader");
        }
        return readers_.of_this_loop();
    }

    std::optional<Version> commit_version() override {
        return readers_.of_this_loop().commit_version();
    }

    Task<void> transact(Context& context, TxBody body) override {
        if (writes_.empty()) return writer_.transact(context, std::move(body));
        return transact_in_place(context, std::move(body));
    }

    void start(runtime::Loops& loops) override {
        readers_.start(loops);
        writer_.start();
        expirer_ = std::thread([this] { expire(); });
    }

    void stop() override {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        stop_.notify_all();
        if (expirer_.joinable()) expirer_.join();
        // The writer last: who closes the file last moves the log into it, and a reader cannot.
        readers_.stop();
        writer_.stop();
    }

    Task<void> check(Context& context) override {
        Reader reader(context, read_connection());
        co_await reader.one<std::int64_t>(alive);
        co_await writer_.check(context);
    }

    Task<Timestamp> now(Context& /*context*/) override { co_return Timestamp::now(); }

    void listen(std::string_view /*channel*/, std::function<void()> woken) override {
        writer_.listen(std::move(woken));
    }
    // The commit itself tells the other processes.
    void notify(std::string_view /*channel*/) override {}
    StatementStatistics* statistics() noexcept override { return &statistics_; }
    std::optional<WriterState> writer_state() override { return writer_.state(); }

private:
    FileOptions file_options(const DatabaseOptions& options, telemetry::Registry& registry) {
        FileOptions file;
        file.path = internal::sqlite_path(options.url);
        file.vfs = vfs_.name();
        file.registry = &registry;
        file.statistics = &statistics_;
        file.check_steps =
            static_cast<int>(std::min<std::uint64_t>(options.inline_steps_max, check_steps_max));
        return file;
    }
    static WriterOptions writer_options(const DatabaseOptions& options) {
        WriterOptions writer;
        writer.group_max = options.group_commit ? options.group_max : 1;
        writer.queue_max = options.write_queue_max;
        writer.busy_timeout = options.busy_timeout;
        return writer;
    }
    static ReaderOptions reader_options(const DatabaseOptions& options) {
        ReaderOptions reader;
        reader.inline_steps_max = options.inline_steps_max;
        reader.piece_steps = options.piece_steps;
        reader.threads = options.reader_threads;
        reader.busy_timeout = options.busy_timeout;
        reader.shares = options.shares;
        return reader;
    }

    Task<void> transact_in_place(Context& context, TxBody body) {
        std::optional<internal::ModuleGates::Place> place = writes_.try_enter(context);
        if (!place) {
            auto entered = co_await writes_.enter(context);
            place.emplace(std::move(entered));
        }
        co_await writer_.transact(context, std::move(body));
    }

    void expire() {
        pthread_setname_np(pthread_self(), "store-expirer");
        std::unique_lock lock(mutex_);
        while (!stop_.wait_for(lock, expire_every, [this] { return stopping_; })) writer_.expire();
    }

    CountingVfs vfs_;
    StatementStatistics statistics_;
    const FileOptions file_;
    Writer writer_;
    Readers readers_;
    internal::ModuleGates writes_;
    std::mutex mutex_;
    std::condition_variable stop_;
    bool stopping_ = false;
    std::thread expirer_;
};

}  // namespace

std::unique_ptr<Database> internal::open_sqlite(const DatabaseOptions& options,
                                                telemetry::Registry& registry) {
    configure_library();
    return std::make_unique<SqliteDatabase>(options, registry);
}

}  // namespace loadstone::store
