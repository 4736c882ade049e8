#include <algorithm>
#include <functional>
#include <span>
#include <unordered_map>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/internal/claim_limits.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

struct LaneRow : StoredJob {
    std::int64_t seq = 0;
};
BOOST_DESCRIBE_STRUCT(LaneRow, (),
                      (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause,
                       enqueued_at, run_at, attempt, crashes, last_error, extra, seq))

using Rows = std::vector<LaneRow*>;  // they are dear to move

// A lane of a claim, and what comes of it.
struct Lane {
    const LaneClaim* claim = nullptr;
    PartitionLimits limits;
    LaneResult result;
    Rows rows;

    bool has_partition() const noexcept { return !claim->partition_key.empty(); }
};

struct LaneKey {
    std::string_view partition_key;
    int priority = 0;

    bool operator==(const LaneKey&) const = default;
};

struct LaneKeyHash {
    std::size_t operator()(const LaneKey& key) const noexcept {
        return std::hash<std::string_view>{}(key.partition_key) ^
               static_cast<std::size_t>(key.priority);
    }
};

// A lane as it is asked for by sql::claim_lanes.
struct LaneAsked {
    std::string partition_key;
    int priority = 0;
    std::int64_t cursor = 0, count = 0;
};
BOOST_DESCRIBE_STRUCT(LaneAsked, (), (partition_key, priority, cursor, count))

constexpr std::size_t batch_json_bytes = 320;  // of a job, mostly

// What a batch's row says of its jobs. What most of a lane have in common is written once, and then
// begins the object of each.
class BatchJson {
public:
    explicit BatchJson(std::size_t jobs) { out_.reserve(jobs * batch_json_bytes); }

    void add(const ClaimedJob& job) {
        if (out_.size() == 1 || !is_common(job)) set_common(job);
        if (out_.size() > 1) out_ += ',';
        out_ += begin_;
        const std::size_t at = out_.size();
        write_json_changes(out_, type_info<StoredJob>(), static_cast<const StoredJob*>(&job),
                           &common_);
        LOADSTONE_ASSERT(out_[at + 1] == '"', "a job has an id of its own");
        out_[at] = ',';
    }
    std::string text() && {
        out_ += ']';
        return std::move(out_);
    }

private:
    bool is_common(const ClaimedJob& job) const {
        return job.held == held_ && job.priority == common_.priority &&
               job.extra == common_.extra && job.queue == common_.queue &&
               job.partition_key == common_.partition_key && job.kind == common_.kind &&
               job.cause == common_.cause;
    }
    void set_common(const ClaimedJob& job) {
        held_ = job.held;
        common_.priority = job.priority;
        common_.extra = job.extra;
        common_.queue = job.queue;
        common_.partition_key = job.partition_key;
        common_.kind = job.kind;
        common_.cause = job.cause;
        StoredJob written = common_;
        if (held_) written.extra = to_text(*held_);
        begin_.clear();
        append_json_changes(begin_, written);
        begin_.pop_back();
    }

    std::string out_ = "[";
    StoredJob common_;
    SharedExtra held_;
    std::string begin_;  // "{..", without its end
};

// Those of lanes that were asked together.
void put_to_lanes(std::vector<LaneRow>& rows, std::span<Lane> lanes) {
    std::unordered_map<LaneKey, Lane*, LaneKeyHash> by_key;
    by_key.reserve(lanes.size());
    for (Lane& lane : lanes) {
        if (lane.result.asked == 0) continue;
        lane.rows.reserve(static_cast<std::size_t>(lane.result.asked));
        by_key.emplace(LaneKey{lane.claim->partition_key, lane.claim->priority}, &lane);
    }
    for (LaneRow& row : rows) by_key.at({row.partition_key, row.priority})->rows.push_back(&row);
}

// The claim of the lanes of one queue.
class QueueClaim {
public:
    QueueClaim(Tx& tx, std::int64_t process, ClaimLimits& limits, std::int64_t left)
        : tx_(tx), is_sqlite_(is_sqlite(tx)), process_(process), limits_(limits), left_(left) {}

    // Gives a result for each.
    Task<std::vector<LaneResult>> run(std::span<const LaneClaim> claims) {
        std::vector<Lane> lanes(claims.size());
        for (std::size_t i = 0; i < claims.size(); ++i) {
            lanes[i].claim = &claims[i];
            lanes[i].limits = limits_.of(claims[i].partition_key);
        }
        for (std::size_t i = 0; i < lanes.size();) {
            std::size_t past = i + 1;
            // Partitions are asked for together; a lane without one for itself.
            while (lanes[i].has_partition() && past < lanes.size() && lanes[past].has_partition())
                ++past;
            const auto together = std::span<Lane>(lanes).subspan(i, past - i);
            for (Lane& lane : together) allow(lane);
            co_await fetch(together);
            i = past;
        }
        if (std::ranges::any_of(lanes, gave_too_little)) {
            const auto is_open =
                co_await tx_.maybe<std::int64_t>(sql::queue_is_open, claims[0].queue, process_);
            for (Lane& lane : lanes) lane.result.is_closed = !is_open;
        }
        std::vector<LaneResult> results;
        for (const Lane& lane : lanes) results.push_back(lane.result);
        co_return results;
    }
    Task<Batch> store() {
        const auto row = std::make_shared<std::vector<InsertedBatch>>();
        BatchJson json(jobs_.size());
        for (const ClaimedJob& job : jobs_) json.add(job);
        const std::string jobs_json = std::move(json).text();
        co_await tx_.defer_many(row, sql::insert_batch, process_, jobs_json);
        Batch batch;
        batch.row = row;
        batch.jobs = std::move(jobs_);
        co_return batch;
    }
    bool is_empty() const noexcept { return jobs_.empty(); }

private:
    // Of a queue that has been paused meanwhile, or to a process that was declared dead, nothing is
    // given, which says nothing of the lanes.
    static bool gave_too_little(const Lane& lane) {
        return lane.has_partition() && lane.result.got < lane.result.asked;
    }

    void allow(Lane& lane) {
        const std::int64_t wanted = std::min(lane.claim->count, left_);
        if (wanted <= 0) return;
        const Allowance allowed = lane.limits.allowance(wanted);
        lane.result.asked = allowed.count;
        lane.result.retry_in_us = allowed.retry_in_us;
        lane.result.is_full = allowed.count == 0 && allowed.retry_in_us == 0;
        lane.limits.take(allowed.count);
        left_ -= allowed.count;
    }

    // Lanes with a partition, or one without.
    Task<void> fetch(std::span<Lane> lanes) {
        std::vector<LaneAsked> asked;
        for (const Lane& lane : lanes) {
            if (lane.result.asked > 0)
                asked.push_back({lane.claim->partition_key, lane.claim->priority,
                                 lane.claim->cursor, lane.result.asked});
        }
        if (asked.size() > 1 && !is_sqlite_) {
            const std::string asked_json = to_json(asked);
            const LaneClaim& any = *lanes.front().claim;
            auto rows = co_await tx_.many<LaneRow>(store::at_once(sql::claim_lanes), any.queue,
                                                   asked_json, any.kinds_json, process_);
            put_to_lanes(rows, lanes);
            jobs_.reserve(jobs_.size() + rows.size());
            for (Lane& lane : lanes) take(lane);
            co_return;
        }
        for (Lane& lane : lanes) {
            if (lane.result.asked == 0) continue;
            const LaneClaim& claim = *lane.claim;
            auto rows = co_await tx_.many<LaneRow>(
                store::at_once(sql::claim_lane), claim.queue, claim.partition_key, claim.priority,
                claim.cursor, claim.kinds_json, lane.result.asked, process_);
            lane.rows.reserve(rows.size());
            for (LaneRow& row : rows) lane.rows.push_back(&row);
            jobs_.reserve(jobs_.size() + rows.size());
            take(lane);
            if (is_sqlite_ && lane.result.got > 0)
                co_await tx_.defer(sql::remove_claimed, claim.queue, claim.partition_key,
                                   claim.priority, claim.cursor, claim.kinds_json,
                                   lane.result.last_seq);
        }
    }

    void take(Lane& lane) {
        LaneResult& result = lane.result;
        if (result.asked == 0) return;
        std::ranges::sort(lane.rows, {}, &LaneRow::seq);
        const auto held = std::make_shared<Extra>();
        lane.limits.hold(*held);
        const bool holds = *held != Extra{};
        const SharedLent lent = lane.limits.lent();
        const std::int64_t now = lane.limits.now();
        std::int64_t not_run = 0;
        for (LaneRow* const row : lane.rows) {
            ++result.got;
            result.last_seq = row->seq;
            ClaimedJob& job = jobs_.emplace_back(std::move(*row), nullptr, lent);
            if (job.extra.empty()) {
                if (holds) job.held = held;
            } else if (lane.has_partition()) {
                auto extra = from_json<Extra>(job.extra, stored_json);
                job.has_expired = extra && has_expired(job, *extra, now);
                if (!extra || job.has_expired) {
                    // It ends without being run, and takes nothing of its limits.
                    job.lent = nullptr;
                    ++not_run;
                    continue;
                }
                lane.limits.hold(*extra);
                job.extra = to_text(*extra);
            }
        }
        lane.rows.clear();
        lane.limits.take(result.got - not_run - result.asked);
        left_ += result.asked - result.got;
    }

    Tx& tx_;
    const bool is_sqlite_;
    std::int64_t process_;
    ClaimLimits& limits_;
    std::int64_t left_;
    std::vector<ClaimedJob> jobs_;
};

}  // namespace

Task<Claimed> claim(Tx& tx, std::int64_t process, LaneClaims asked, std::int64_t total,
                    SharedLimits limits, SharedClaimLoans loans) {
    tx.see_commits();
    const std::vector<LaneClaim>& lanes = *asked;
    Loans* const lent = loans ? &loans->loans : nullptr;
    ClaimLimits under = co_await ClaimLimits::of_lanes(tx, *limits, process, lanes, total, lent);
    Claimed claimed;
    for (std::size_t i = 0; i < lanes.size();) {
        std::size_t end = i + 1;
        while (end < lanes.size() && lanes[end].queue == lanes[i].queue) ++end;
        const std::int64_t room = std::min(lanes[i].queue_count, total);
        QueueClaim of(tx, process, under, room);
        const auto together = std::span<const LaneClaim>(lanes).subspan(i, end - i);
        const auto results = co_await of.run(together);
        claimed.lanes.insert(claimed.lanes.end(), results.begin(), results.end());
        i = end;
        if (of.is_empty()) continue;
        Batch batch = co_await of.store();
        total -= static_cast<std::int64_t>(batch.jobs.size());
        claimed.batches.push_back(std::move(batch));
    }
    co_await under.store(tx, process);
    if (loans) {
        loans->uses = under.uses();
        loans->is_limited = under.is_limited();
        loans->has_locked = under.has_locked();
    }
    co_return claimed;
}

Task<LoansChanged> change_loans(Tx& tx, std::int64_t process, SharedLimits limits,
                                SharedLoanChanges changes) {
    tx.see_commits();
    ClaimLimits of = co_await ClaimLimits::of_changes(tx, *limits, process, *changes);
    co_await of.store(tx, process);
    LoansChanged changed;
    changed.released = std::make_shared<const std::vector<ReleasedRow>>(of.given_back());
    co_return changed;
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
