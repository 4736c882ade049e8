#pragma once
// Calls that ask a store without a pause, so that they want all the connections there are.

#include <mutex>
#include <set>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

inline constexpr loadstone::store::Query hold{"test.hold", "", "select pg_sleep(0.005) is null", 0};
inline constexpr loadstone::store::Query hold_long{"test.hold_long", "",
                                                   "select pg_sleep(0.05) is null", 0};

struct Storm {
    std::atomic<bool> is_over{false};
    std::atomic<int> done{0};

    void failed(const Error& error) {
        const std::scoped_lock lock(mutex_);
        failures_.insert(error.message());
    }
    std::set<std::string> all_failures() {
        const std::scoped_lock lock(mutex_);
        return failures_;
    }

private:
    std::mutex mutex_;
    std::set<std::string> failures_;
};

// What holds a connection for long never shares it, so that each loop needs all of its
// connections; quick reads may all find room in one batch.
enum class Reading { quick, long_one, heavy };

inline Task<void> keep_reading(Context& context, Storm* storm, Reading reading) {
    context.reading().is_heavy = reading == Reading::heavy;
    const loadstone::store::Query& statement = reading == Reading::quick ? hold : hold_long;
    while (!storm->is_over) {
        try {
            Reader reader = context.reader();
            co_await reader.one<bool>(statement);
            ++storm->done;
        } catch (const Error& error) {
            storm->failed(error);
        }
    }
}

}  // namespace tests::conformance
