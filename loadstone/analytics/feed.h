#pragma once
// Feed: carries facts from the database to the column store, each once, in the order of their
// commits as position.h says it.
//
// A step reads a batch behind the store's position and sends it with the position behind it; the
// store takes both in one transaction, or neither, and takes only what begins where it is. So a
// batch that was sent twice, by whatever end of whichever process, is refused the second time, and
// the position says what is next. What has been taken is then deleted here.
//
// One store gets the facts of a database: loadstone_fact_feed names it. A server whose folder holds
// another one, or none, carries nothing; of a store that several servers reach, the holder of the
// lease carries (internal/feed_lease.h). That the two belong together is checked when a feed
// begins: a store or a database that was put back to an earlier day is data_loss, said in the log
// at each try, and facts wait (ADR 21).

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/internal/feed_lease.h"
#include "loadstone/analytics/internal/horizon.h"
#include "loadstone/analytics/internal/range_work.h"
#include "loadstone/analytics/position.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task.h"

namespace loadstone::analytics {

// Of one process, since it was started.
struct FeedReport {
    bool is_carrying = false;  // it has the store
    std::int64_t waiting = 0, waiting_max = 0;
    Timestamp as_of;  // the state that the store shows; 0: not known yet
    std::int64_t batches = 0, facts = 0, failures = 0;
    std::string store;               // which one
    std::int64_t restarts = 0;       // of the store's process
    std::int64_t store_process = 0;  // its id; -1: none runs, or it is not this server's
    std::int64_t file_bytes = 0;     // on disk, with its log
    std::int64_t failed_merges = 0;  // of rollups in the store
};
BOOST_DESCRIBE_STRUCT(FeedReport, (),
                      (is_carrying, waiting, waiting_max, as_of, batches, facts, failures, store,
                       restarts, store_process, file_bytes, failed_merges))

class Feed {
public:
    Feed(Analytics& analytics, Recorder& recorder, const runtime::Services& services,
         telemetry::Registry& registry);
    ~Feed();
    Feed(const Feed&) = delete;
    Feed& operator=(const Feed&) = delete;

    // Until stop(); to be spawned once.
    Task<void> run();
    void stop();                // from any thread
    FeedReport report() const;  // from any thread

    // One step. True: a whole batch was carried, there may be more at once.
    Task<bool> step(Context& context);

private:
    struct Batch;
    Task<void> begin(Context& context);
    Task<void> declare_rollups(Context& context);
    Task<bool> is_owner(Context& context);
    Task<void> leave();
    Task<bool> carry(Context& context);
    Task<Batch> read_batch(Context& context);
    Task<void> read_rows(Context& context, Batch& batch);
    Task<void> read_forms(Context& context, const Batch& batch);
    Task<void> measure(Context& context);
    std::string key_of(const std::string& fact) const;

    Analytics& analytics_;
    Recorder& recorder_;
    const runtime::Services& services_;
    telemetry::Registry& registry_;
    internal::FeedLease lease_;
    internal::RangeWork work_;
    telemetry::Counter& batches_;
    telemetry::Counter& carried_;
    telemetry::Counter& failures_;
    telemetry::Counter& turns_;
    telemetry::Counter& failed_merges_;
    runtime::Event stop_event_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> is_carrying_{false};
    std::atomic<std::int64_t> as_of_{0};

    // Of run() alone.
    bool forms_are_declared_ = false;
    bool has_begun_ = false;
    std::int64_t restarts_ = 0;  // of the store's process, when it began
    int turns_taken_ = 0;        // since a step went well
    std::string store_;
    Position position_;
    std::int64_t window_as_of_ = 0;  // of the open window, when all of it has been carried
    std::int64_t as_of_done_ = 0;
    internal::Horizon horizon_;
    std::map<std::int64_t, Schema> forms_;
};

}  // namespace loadstone::analytics
