#include "loadstone/jobs/internal/records.h"

#include "loadstone/base/encoding.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

struct DoneJob {
    std::int64_t job = 0, fence = 0;
};
BOOST_DESCRIBE_STRUCT(DoneJob, (), (job, fence))

constexpr std::size_t error_bytes_max = 2'000;

// What PostgreSQL takes as text, whatever a library put into its exception: what it refused it
// would refuse for ever, and every outcome recorded with it.
std::string storable(const std::string& error) {
    std::string text = error.substr(0, error_bytes_max);
    while (text.size() < error.size() && !text.empty() &&
           (static_cast<unsigned char>(error[text.size()]) & 0xC0) == 0x80) {
        text.pop_back();
    }
    const bool ascii_only = !is_utf8(text);
    for (char& c : text) {
        if (c == '\0' || (ascii_only && static_cast<unsigned char>(c) >= 0x80)) c = '?';
    }
    return text;
}

}  // namespace

Task<ClaimedRows> claim(Tx& tx, std::int64_t process, std::string kinds_json, std::int64_t count) {
    ClaimedRows claimed;
    claimed.rows = co_await tx.many<ClaimedRow>(sql::claim_jobs, process, kinds_json, count);
    co_return claimed;
}

Task<Recorded> record(Tx& tx, std::int64_t process, std::vector<Finished> finished) {
    std::vector<DoneJob> done;
    Recorded recorded;
    for (const Finished& job : finished) {
        if (job.done) {
            done.push_back({job.lease.job, job.lease.fence});
            continue;
        }
        const std::string error = storable(job.error);
        std::uint64_t changed = 0;
        std::uint64_t* counted = &recorded.buried;
        if (job.decision.verdict == Verdict::bury) {
            changed =
                co_await tx.exec(sql::bury_job, job.lease.job, process, job.lease.fence, error);
            co_await tx.exec(sql::complete_job, job.lease.job, process, job.lease.fence);
        } else {
            const std::int64_t delay_us = std::chrono::microseconds(job.decision.delay).count();
            const int take_back = job.decision.verdict == Verdict::snooze ? 1 : 0;
            changed = co_await tx.exec(sql::put_back_job, job.lease.job, process, job.lease.fence,
                                       delay_us, take_back, error);
            counted = take_back == 1 ? &recorded.snoozed : &recorded.retried;
        }
        ++(changed == 0 ? recorded.lost : *counted);
    }
    if (!done.empty()) {
        const std::string json = to_json(done);
        co_await tx.exec(sql::complete_jobs, process, json);
    }
    co_return recorded;
}

Task<std::int64_t> register_process(Tx& tx, std::string name) {
    co_return co_await tx.one<std::int64_t>(sql::register_process, name);
}

Task<bool> renew_heartbeat(Tx& tx, std::int64_t process) {
    const auto renewed = co_await tx.exec(sql::renew_heartbeat, process);
    co_return renewed == 1;
}

Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max) {
    co_await tx.exec(sql::remove_dead_processes, dead_after_us);
    co_await tx.exec(sql::bury_poison_jobs, crashes_max);
    Rescued taken;
    taken.buried = co_await tx.exec(sql::remove_poison_jobs, crashes_max);
    taken.rescued = co_await tx.exec(sql::rescue_orphans);
    co_return taken;
}

Task<std::int64_t> hand_back_strays(Tx& tx, std::int64_t process, std::string known_json) {
    co_return static_cast<std::int64_t>(
        co_await tx.exec(sql::hand_back_strays, process, known_json));
}

Task<void> sign_off(Tx& tx, std::int64_t process) {
    co_await tx.exec(sql::hand_back_jobs, process);
    co_await tx.exec(sql::remove_process, process);
}

}  // namespace loadstone::jobs::internal
