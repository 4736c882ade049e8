#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/database.h"

namespace loadstone::jobs::internal {

namespace {

struct LaneRow : StoredJob {
    std::int64_t seq = 0;
};
BOOST_DESCRIBE_STRUCT(LaneRow, (),
                      (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause,
                       enqueued_at, run_at, attempt, crashes, last_error, extra, seq))

struct BatchRow {
    std::int64_t id = 0, claimed_at = 0;
};
BOOST_DESCRIBE_STRUCT(BatchRow, (), (id, claimed_at))

using Rows = std::vector<LaneRow*>;  // they are dear to move

// A lane as it is asked for by sql::claim_lanes.
struct LaneAsked {
    std::string partition_key;
    int priority = 0;
    std::int64_t cursor = 0, count = 0;
};
BOOST_DESCRIBE_STRUCT(LaneAsked, (), (partition_key, priority, cursor, count))

constexpr std::size_t batch_json_bytes = 320;  // of a job, mostly

// As the row of a batch has them.
std::string to_batch_json(const std::vector<StoredJob>& jobs) {
    std::string out;
    out.reserve(jobs.size() * batch_json_bytes);
    out += '[';
    for (const StoredJob& job : jobs) {
        if (out.size() > 1) out += ',';
        append_json_changes(out, job);
    }
    out += ']';
    return out;
}

bool has_lateral(Tx& tx) {
    return tx.context().services().get<store::Database>().dialect() == store::Dialect::postgres;
}

// The claim of the lanes of one queue.
class QueueClaim {
public:
    QueueClaim(Tx& tx, std::int64_t process, const std::vector<LaneClaim>& lanes,
               LockedLimits& limits, std::int64_t left)
        : tx_(tx), process_(process), lanes_(lanes), limits_(limits), left_(left) {}

    // Of `lanes`, those from `first` to before `end`; gives a result for each.
    Task<std::vector<LaneResult>> run(std::size_t first, std::size_t end) {
        std::vector<LaneResult> results(end - first);
        for (std::size_t i = first; i < end;) {
            std::size_t past = i + 1;
            // Partitions are asked for together; a lane without one for itself.
            if (!lanes_[i].partition_key.empty()) {
                while (past < end && !lanes_[past].partition_key.empty()) ++past;
            }
            for (std::size_t at = i; at < past; ++at) allow(lanes_[at], results[at - first]);
            co_await fetch(i, past, results, first);
            i = past;
        }
        if (gave_too_little(first, end, results)) {
            const auto is_open =
                co_await tx_.maybe<std::int64_t>(sql::queue_is_open, lanes_[first].queue, process_);
            for (LaneResult& result : results) result.is_closed = !is_open;
        }
        co_return results;
    }
    Task<Batch> store() {
        Batch batch;
        if (jobs_.empty()) co_return batch;
        const std::string jobs_json = to_batch_json(jobs_);
        const auto row = co_await tx_.one<BatchRow>(sql::insert_batch, process_, jobs_json);
        batch.id = row.id;
        batch.claimed_at = row.claimed_at;
        batch.jobs = std::move(jobs_);
        co_return batch;
    }
    std::int64_t left() const { return left_; }

private:
    // Of a queue that has been paused meanwhile, or to a process that was declared dead, nothing is
    // given, which says nothing of the lanes.
    bool gave_too_little(std::size_t first, std::size_t end,
                         const std::vector<LaneResult>& results) const {
        for (std::size_t i = first; i < end; ++i) {
            const LaneResult& result = results[i - first];
            if (!lanes_[i].partition_key.empty() && result.got < result.asked) return true;
        }
        return false;
    }

    void allow(const LaneClaim& lane, LaneResult& result) {
        const std::int64_t wanted = std::min(lane.count, left_);
        if (wanted <= 0) return;
        const Allowance allowed = limits_.allowance(lane.partition_key, wanted);
        result.asked = allowed.count;
        result.retry_in_us = allowed.retry_in_us;
        result.is_full = allowed.count == 0 && allowed.retry_in_us == 0;
        limits_.take(lane.partition_key, allowed.count);
        left_ -= allowed.count;
    }

    Task<void> fetch(std::size_t from, std::size_t past, std::vector<LaneResult>& results,
                     std::size_t first) {
        std::vector<LaneAsked> asked;
        for (std::size_t i = from; i < past; ++i) {
            if (results[i - first].asked > 0)
                asked.push_back({lanes_[i].partition_key, lanes_[i].priority, lanes_[i].cursor,
                                 results[i - first].asked});
        }
        if (asked.size() > 1 && has_lateral(tx_)) {
            const std::string asked_json = to_json(asked);
            auto rows =
                co_await tx_.many<LaneRow>(store::at_once(sql::claim_lanes), lanes_[from].queue,
                                           asked_json, lanes_[from].kinds_json, process_);
            std::map<std::pair<std::string_view, int>, Rows> by_lane;
            for (const LaneAsked& lane : asked) by_lane[{lane.partition_key, lane.priority}];
            jobs_.reserve(jobs_.size() + rows.size());
            for (LaneRow& row : rows) by_lane.at({row.partition_key, row.priority}).push_back(&row);
            for (std::size_t i = from; i < past; ++i) {
                const auto of = by_lane.find({lanes_[i].partition_key, lanes_[i].priority});
                if (of != by_lane.end()) take(lanes_[i], std::move(of->second), results[i - first]);
            }
        } else {
            for (std::size_t i = from; i < past; ++i) {
                LaneResult& result = results[i - first];
                if (result.asked == 0) continue;
                const LaneClaim& lane = lanes_[i];
                auto rows = co_await tx_.many<LaneRow>(
                    store::at_once(sql::claim_lane), lane.queue, lane.partition_key, lane.priority,
                    lane.cursor, lane.kinds_json, result.asked, process_);
                Rows of;
                of.reserve(rows.size());
                jobs_.reserve(jobs_.size() + rows.size());
                for (LaneRow& row : rows) of.push_back(&row);
                take(lane, std::move(of), result);
            }
        }
    }

    void take(const LaneClaim& lane, Rows rows, LaneResult& result) {
        if (result.asked == 0) return;
        std::ranges::sort(rows, {}, &LaneRow::seq);
        const bool is_keyed = !lane.partition_key.empty();
        Extra held;
        if (is_keyed) limits_.hold(lane.partition_key, held);
        const std::string held_text = to_text(held);
        for (LaneRow* const row : rows) {
            ++result.got;
            result.last_seq = row->seq;
            StoredJob& job = jobs_.emplace_back(std::move(*row));
            if (job.extra.empty()) {
                job.extra = held_text;
            } else if (is_keyed) {
                Extra extra = extra_of(job.extra);
                limits_.hold(lane.partition_key, extra);
                job.extra = to_text(extra);
            }
        }
        limits_.untake(lane.partition_key, result.asked - result.got);
        left_ += result.asked - result.got;
    }

    Tx& tx_;
    std::int64_t process_;
    const std::vector<LaneClaim>& lanes_;
    LockedLimits& limits_;
    std::int64_t left_;
    std::vector<StoredJob> jobs_;
};

}  // namespace

Task<Claimed> claim(Tx& tx, std::int64_t process, std::vector<LaneClaim> lanes, std::int64_t total,
                    SharedLimits limits) {
    tx.see_commits();
    std::vector<std::string> partitions;
    for (const LaneClaim& lane : lanes) {
        if (!lane.partition_key.empty()) partitions.push_back(lane.partition_key);
    }
    LockedLimits locked = co_await LockedLimits::lock(tx, *limits, std::move(partitions));
    Claimed claimed;
    for (std::size_t i = 0; i < lanes.size();) {
        std::size_t end = i + 1;
        while (end < lanes.size() && lanes[end].queue == lanes[i].queue) ++end;
        const std::int64_t room = std::min(lanes[i].queue_count, total);
        QueueClaim of(tx, process, lanes, locked, room);
        const auto results = co_await of.run(i, end);
        claimed.lanes.insert(claimed.lanes.end(), results.begin(), results.end());
        Batch batch = co_await of.store();
        total -= static_cast<std::int64_t>(batch.jobs.size());
        if (batch.id != 0) claimed.batches.push_back(std::move(batch));
        i = end;
    }
    co_await locked.store(tx);
    co_return claimed;
}

Task<std::int64_t> ready_due_jobs(Tx& tx, std::int64_t count) {
    tx.see_commits();
    const auto due = co_await tx.many<std::int64_t>(sql::due_jobs, count);
    if (due.empty()) co_return 0;
    const std::string json = to_json(due);
    co_await tx.exec(sql::ready_scheduled, json);
    co_await tx.exec(sql::remove_scheduled, json);
    co_return static_cast<std::int64_t>(due.size());
}

}  // namespace loadstone::jobs::internal
