#pragma once
// Answers: a question that many ask at once is asked once, and its answer is kept, within a bound
// on bytes, until the store has changed.
//
// No answer is older than what the store would say to who asks it now:
//   1. A question that is being asked is waited for by who came before it was, and by others only
//      if the store is known not to have changed since (ColumnStore::known_version). All others
//      wait for the next one, of which there is one, and which begins when this one has ended.
//   2. A kept answer is given while the store is at the version at which its question began.
// So a question with the same values is never asked twice at once, whatever comes to the store.
//
// Who waits does so to his own deadline. Who asks and is cancelled, or late, fails nobody else: one
// of those who wait asks in his place. So it is when the store ends a question for its time, if
// that was his deadline and not Options::query_timeout: ClickHouse does so by an estimate, before
// it has passed. Any other error is that of all who wait, and is not kept.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/options.h"
#include "loadstone/base/function_ref.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::analytics::internal {

// As the store gave it.
struct StoredAnswer {
    std::vector<Column> columns;
    std::string rows;
    std::int64_t as_of = 0;
};

struct SharedQuestion {
    std::string_view name;  // for messages
    std::string key;        // the statement and its values
};

struct GivenAnswer {
    std::shared_ptr<const StoredAnswer> answer;
    std::int64_t as_of = 0;  // later than the answer's, if nothing has come since
};

class Answers {
public:
    // Blocks, on a thread of the lane. `as_of`: of what the store shows at least; 0: not known.
    using Ask = FunctionRef<StoredAnswer(std::int64_t as_of)>;

    Answers(ColumnStore& store, const Options& options, telemetry::Registry& registry);
    ~Answers();
    Answers(const Answers&) = delete;
    Answers& operator=(const Answers&) = delete;

    // Errors: of the lane, of `ask` and of ColumnStore::version.
    Task<GivenAnswer> get(Context& context, runtime::Lane& lane, const SharedQuestion& question,
                          Ask ask);

private:
    struct Flight;
    class Landing;
    using FlightPtr = std::shared_ptr<Flight>;
    struct UnderWay {
        FlightPtr asking, next;
    };
    struct Look {
        GivenAnswer given{};
        FlightPtr flight{};
        FlightPtr before{};  // whose end `flight`, if it is mine, is to wait for
        bool is_mine = false;
    };
    struct Kept {
        std::string key;
        StoreVersion version;
        std::shared_ptr<const StoredAnswer> answer;
        std::uint64_t bytes = 0;
    };
    using KeptList = std::list<Kept>;

    Look look_for(const std::string& key, const std::optional<StoreVersion>& known);
    Task<GivenAnswer> lead(Context& context, runtime::Lane& lane, const SharedQuestion& question,
                           const Look& look, Ask ask);
    void fly(Context& context, const SharedQuestion& question, Flight& flight, Ask ask);
    std::optional<StoreVersion> version_before(Context& context, const SharedQuestion& question,
                                               Flight& flight);
    void land(const std::string& key, const FlightPtr& flight) noexcept;
    GivenAnswer find(const std::string& key, const StoreVersion& version);
    void keep(const std::string& key, const StoreVersion& version,
              std::shared_ptr<const StoredAnswer> answer);
    void drop(KeptList::iterator kept);

    ColumnStore& store_;
    const std::uint64_t bytes_max_;  // 0: none are kept
    const std::chrono::milliseconds query_timeout_;
    telemetry::Registry& registry_;
    telemetry::Counter &hits_, &misses_, &waits_, &evictions_, &too_large_;

    mutable std::mutex mutex_;  // of what is below
    std::unordered_map<std::string, UnderWay> under_way_;
    KeptList kept_;                                                // what was given last first
    std::unordered_map<std::string_view, KeptList::iterator> at_;  // by their own keys
    std::uint64_t bytes_ = 0;
};

}  // namespace loadstone::analytics::internal
