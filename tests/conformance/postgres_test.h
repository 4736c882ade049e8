#pragma once
// A store on a PostgreSQL server of the test's own, which it may stop, freeze and restart.

#include <mutex>
#include <set>
#include <thread>

#include "tests/conformance/conformance.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance {

class Postgres : public ::testing::Test {
protected:
    Postgres() : database_(server_), options_(test_options(database_.url())) {
        const auto modules = all_migrations();
        loadstone::store::migrate(options_, modules);
    }
    TestStore& store() {
        if (!store_) store_.emplace(options_);
        return *store_;
    }
    std::string psql(const std::string& sql) { return server_.psql(database_.name(), sql); }

    PostgresServer server_;
    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
};

// Writers and readers that go on until they are told to stop, and what became of their calls.
class Load {
public:
    Load(TestStore& store, std::chrono::milliseconds patience)
        : store_(store), patience_(patience) {
        for (int i = 0; i < 8; ++i) threads_.emplace_back([this, i] { write(i); });
        for (int i = 0; i < 8; ++i) threads_.emplace_back([this] { read(); });
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { stop(); }

    void stop() {
        stop_ = true;
        for (auto& thread : threads_) {
            if (thread.joinable()) thread.join();
        }
    }
    int writes() const noexcept { return writes_; }
    int reads() const noexcept { return reads_; }
    // Whether so many more calls of each kind succeed.
    bool goes_on(int calls = 50) {
        const int writes_before = writes_;
        const int reads_before = reads_;
        return wait_until(
            [&] { return writes_ > writes_before + calls && reads_ > reads_before + calls; },
            std::chrono::seconds(20));
    }
    std::set<std::string> acknowledged() const {
        const std::scoped_lock lock(mutex_);
        return acknowledged_;
    }
    // Of calls that failed, by code.
    std::map<Errc, int> failures() const {
        const std::scoped_lock lock(mutex_);
        return failures_;
    }
    std::set<std::string> messages() const {
        const std::scoped_lock lock(mutex_);
        return messages_;
    }

private:
    void write(int writer) {
        for (int i = 0; !stop_; ++i) {
            const std::string name = std::to_string(writer) + "/" + std::to_string(i);
            attempt([&] {
                store_.start(Deadline::in(patience_), add_item, name, std::int64_t{1}).get();
                ++writes_;
                const std::scoped_lock lock(mutex_);
                acknowledged_.insert(name);
            });
        }
    }
    void read() {
        while (!stop_) {
            attempt([&] {
                store_.start(Deadline::in(patience_), item_count).get();
                ++reads_;
            });
        }
    }
    template <class Call>
    void attempt(Call&& call) {
        try {
            call();
        } catch (const Error& error) {
            const std::scoped_lock lock(mutex_);
            ++failures_[error.code()];
            if (messages_.size() < 20) messages_.insert(error.message());
        }
    }

    TestStore& store_;
    const std::chrono::milliseconds patience_;
    std::atomic<bool> stop_{false};
    std::atomic<int> writes_{0};
    std::atomic<int> reads_{0};
    mutable std::mutex mutex_;
    std::set<std::string> acknowledged_;
    std::map<Errc, int> failures_;
    std::set<std::string> messages_;
    std::vector<std::thread> threads_;
};

}  // namespace tests::conformance
