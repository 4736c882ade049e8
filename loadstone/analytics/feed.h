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
// begins, by position and history (internal/history.h): a store or a database that was put back to
// an earlier day is data_loss, said in the log, and facts wait until an operator has acted (ADR
// 21). Meanwhile, as on a server that has not the store, questions are `unavailable`
// (Analytics::close). How many facts wait is measured beside, in the database alone (backlog.h).

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/backlog.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/internal/feed_lease.h"
#include "loadstone/analytics/internal/feed_rows.h"
#include "loadstone/analytics/internal/horizon.h"
#include "loadstone/analytics/internal/range_work.h"
#include "loadstone/analytics/internal/store_state.h"
#include "loadstone/analytics/position.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task.h"

namespace loadstone::analytics {

// Of one process, since it was started.
struct FeedReport {
    bool is_carrying = false;  // it has the store
    std::int64_t waiting = 0, waiting_max = 0;
    Timestamp as_of;       // the state that the store shows; 0: not known yet
    bool is_late = false;  // it is older than Options::lag_max
    std::string held_by;   // then: the transaction that ran longest, if it may be seen
    std::string failure;   // of the last step; empty: it went well
    std::int64_t batches = 0, facts = 0, failures = 0;
    std::string store;               // which one
    std::int64_t restarts = 0;       // of the store's process
    std::int64_t store_process = 0;  // its id; -1: none runs, or it is not this server's
    std::int64_t file_bytes = 0;     // on disk, with its log
    std::int64_t failed_merges = 0;  // of rollups in the store
};
BOOST_DESCRIBE_STRUCT(FeedReport, (),
                      (is_carrying, waiting, waiting_max, as_of, is_late, held_by, failure, batches,
                       facts, failures, store, restarts, store_process, file_bytes, failed_merges))

// For an operator: how old the state is and what holds facts back; empty if it is not late.
std::string lateness_of(const FeedReport& report);

class Feed {
public:
    Feed(Analytics& analytics, Recorder& recorder, const runtime::Services& services,
         telemetry::Registry& registry);
    ~Feed();
    Feed(const Feed&) = delete;
    Feed& operator=(const Feed&) = delete;

    // Until stop(); each to be spawned once. The second measures, whatever the store does.
    Task<void> run();
    Task<void> run_measuring();
    void stop();                // from any thread
    FeedReport report() const;  // from any thread

    // One step. True: a whole batch was carried, there may be more at once.
    Task<bool> step(Context& context);
    Task<void> measure(Context& context) { return backlog_.measure(context); }

private:
    struct Batch;
    // False: the database names another store than this folder's.
    Task<bool> begin(Context& context);
    Task<void> require_same_past(Context& context, internal::FeedState noted,
                                 internal::StoreState state);
    Task<bool> is_of_this_folder(Context& context);
    Task<void> look_at_shared(Context& context);
    Task<void> leave_to(Context& context, internal::FeedState named);
    Task<void> shut(Context& context, std::string why);
    void note_failure(std::string why);
    Task<void> declare_rollups(Context& context);
    Task<bool> is_owner(Context& context);
    Task<void> leave();
    Task<bool> carry(Context& context);
    Task<Batch> read_batch(Context& context);
    Task<void> read_rows(Context& context, Batch& batch);
    Task<void> read_forms(Context& context, const Batch& batch);
    std::string key_of(const std::string& fact) const;

    Analytics& analytics_;
    Recorder& recorder_;
    const runtime::Services& services_;
    telemetry::Registry& registry_;
    Backlog backlog_;
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
    log::Throttle measure_complaints_{std::chrono::seconds(60)};
    mutable std::mutex mutex_;
    std::string failure_;

    // Of run() alone.
    bool forms_are_declared_ = false;
    bool has_begun_ = false;
    std::int64_t restarts_ = 0;  // of the store's process, when it began
    int turns_taken_ = 0;        // since a step went well; or refusals of the store
    std::string store_;
    std::string named_elsewhere_;  // the store that the database names, when it is not here
    std::string seen_;             // the shared one that the database names, when it has been found
    Position position_;
    std::int64_t history_ = 0;
    std::int64_t window_as_of_ = 0;  // of the open window, when all of it has been carried
    std::int64_t as_of_done_ = 0;
    internal::Horizon horizon_;
    std::map<std::int64_t, Schema> forms_;
};

}  // namespace loadstone::analytics
