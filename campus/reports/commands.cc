#include "campus/reports/commands.h"

#include <fmt/core.h>

#include <utility>

#include "campus/audit/audit.h"
#include "campus/reports/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"

namespace campus::reports {

using namespace loadstone;

namespace {

// That too many wait is no fault of whoever asks: 503.
Task<std::int64_t> enqueue_report(Tx& tx, const MakeReport& make) {
    try {
        co_return co_await jobs::enqueue(tx, make);
    } catch (const Error& error) {
        if (error.code() != Errc::resource_exhausted) throw;
        throw Error(Errc::unavailable, error.message()).with_retry_after(std::chrono::seconds(30));
    }
}

}  // namespace

Task<ReportId> request_report(Tx& tx, NewReport report) {
    const auto unfinished = co_await sql::unfinished_of_owner(tx, report.owner);
    if (unfinished >= unfinished_max) {
        throw Error(Errc::resource_exhausted,
                    fmt::format("{} reports wait or run already, the limit", unfinished))
            .with_retry_after(std::chrono::seconds(30));
    }
    const Timestamp now = Timestamp::now();
    const Timestamp from = report.from.value_or(Timestamp());
    const Timestamp to = report.to.value_or(now);
    const ReportId id = co_await sql::insert_report(tx, report.owner, report.kind, from, to, now);
    const MakeReport make{id, report.owner, report.kind, report.from, report.to};
    const std::int64_t job = co_await enqueue_report(tx, make);
    const auto same = co_await sql::report_of_job(tx, job);
    if (same) {
        if (same->state == "cancelled") {
            throw Error(Errc::conflict,
                        "this report was just cancelled, and its job has not ended yet")
                .with_retry_after(std::chrono::seconds(1));
        }
        co_await sql::remove_report(tx, id);
        co_return same->id;
    }
    co_await sql::set_job(tx, id, job);
    audit::Event asked;
    asked.user = report.owner.value;
    asked.action = "report.requested";
    asked.detail = fmt::format("a report of kind {} was asked for", report.kind);
    asked.address = report.address;
    co_await audit::append(tx, std::move(asked));
    co_return id;
}

Task<std::string> forget_report(Tx& tx, ReportId id, accounts::UserId owner, std::int64_t job) {
    const jobs::Cancelled cancelled = co_await jobs::cancel_job(tx, job);
    const auto report = co_await sql::report_of_owner(tx, id, owner);
    // That rolls the cancellation back too.
    if (!report || report->state == "cancelled" || report->job != job)
        throw Error(Errc::not_found, fmt::format("there is no report {}", id.value));
    if (cancelled.was_asked) {
        co_await sql::cancel_report(tx, id);
    } else {
        co_await sql::remove_report(tx, id);
    }
    co_return report->file;
}

Task<bool> begin_report(Tx& tx, ReportId id) {
    const auto begun = co_await sql::begin_report(tx, id);
    co_return begun == 1;
}

Task<void> save_progress(Tx& tx, jobs::Lease lease, Step step) {
    co_await jobs::save_step(tx, lease, step_name, step);
}

Task<bool> finish_report(Tx& tx, jobs::Lease lease, ReportId id, Step step, SendReportLink mail) {
    co_await jobs::complete(tx, lease);
    const Timestamp now = Timestamp::now();
    const auto finished =
        co_await sql::finish_report(tx, id, step.file, step.rows, step.bytes, now);
    if (finished == 0) co_return false;
    co_await tx.enqueue(mail);
    co_return true;
}

Task<void> fail_report(Tx& tx, ReportId id, std::string reason) {
    const Timestamp now = Timestamp::now();
    co_await sql::fail_report(tx, id, reason, now);
}

Task<void> remove_report(Tx& tx, ReportId id) { co_await sql::remove_report(tx, id); }

}  // namespace campus::reports
