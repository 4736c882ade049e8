#include "campus/reports/jobs.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "campus/notifications/notifications.h"
#include "campus/reports/commands.h"
#include "campus/reports/folder.h"
#include "campus/reports/report_file.h"
#include "campus/reports/reports.h"
#include "campus/reports/sql.h"
#include "campus/reports/write_report.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/runtime/lane.h"

namespace campus::reports {

using namespace loadstone;

namespace {

constexpr std::chrono::hours kept{7 * 24};
// Beyond what a report can be put off for; a finished one beyond `kept` belongs to no report.
constexpr std::chrono::hours unfinished_file_kept{2};
constexpr std::chrono::hours finished_file_kept = kept + std::chrono::hours(24);
constexpr std::chrono::minutes unfinished_for{15};  // then it is asked what became of its job
constexpr int at_once = 200;
// A report takes seconds: with more, the last would not begin within its day if each took a minute.
constexpr std::int64_t ready_max = 5'000;

Task<void> send_report_link(Context& context, Job<SendReportLink> job) {
    const auto report = co_await sql::report_by_id(context.reader(), job->report);
    if (!report || report->state != "done") co_return;
    const auto owner = co_await accounts::recipient(context.reader(), report->owner_id);
    if (!owner) co_return;
    const std::string& site = context.services().get<module::Site>().url;
    notifications::Letter letter;
    letter.to_name = owner->name;
    letter.to_address = owner->email;
    letter.subject = "Your report is ready";
    letter.text = fmt::format(
        "Hello,\n\nthe report that you asked for is ready: {} entries. It is yours alone, so sign "
        "in first:\n\n{}/api/reports/{}/file\n\nIt is kept for 7 days.\n\nCampus\n",
        report->row_count, site, report->id.value);
    co_await notifications::deliver(context, job.lease(), job.idempotency_key(), std::move(letter));
}

// What its owner is told; the log says more.
std::string reason_of(const jobs::JobRow& dead) {
    if (dead.last_error.starts_with(to_string(Errc::deadline_exceeded))) return "it took too long";
    return fmt::format("the server failed; its log has the reason under job {}", dead.id);
}

Task<void> give_up_report(Context& context, Job<MakeReport> buried) {
    const auto report = co_await sql::report_by_id(context.reader(), buried->report);
    if (!report) co_return;
    const auto job = co_await jobs::job_by_id(context.reader(), report->job);
    if (!job || job->state != "dead") co_return;  // it has been put back meanwhile
    std::string reason = reason_of(*job);
    co_await context.write(fail_report, report->id, reason);
}

// Its job is gone, or is a dead letter, and nobody was told so: it was too late, or an operator has
// cancelled it.
Task<void> fail_stranded(Context& context) {
    std::optional<sql::LongUnfinishedCursor> after;
    do {
        const Timestamp before = Timestamp::now() - unfinished_for;
        const auto page = co_await sql::long_unfinished(context.reader(), before, at_once, after);
        std::vector<std::int64_t> ids;
        for (const sql::Unfinished& report : page.rows) ids.push_back(report.job);
        const auto known = co_await jobs::jobs_by_id(context.reader(), std::move(ids));
        for (const sql::Unfinished& report : page.rows) {
            const auto job = known.find(report.job);
            const bool is_there = job != known.end();
            if (is_there && job->second.state != "dead") continue;
            const std::string reason =
                is_there ? reason_of(job->second) : "it was not begun in time";
            co_await context.write(fail_report, report.id, reason);
        }
        after = page.next;
    } while (after);
}

Task<void> remove_old_reports(Context& context, Job<RemoveOldReports>) {
    const std::string folder = folder_of(context);
    runtime::Lane& lane = context.services().get<runtime::CpuLane>().lane;
    for (;;) {
        const Timestamp before = Timestamp::now() - kept;
        const auto reports = co_await sql::old_reports(context.reader(), before, at_once);
        auto remove_files = [&] {
            for (const sql::OldReport& report : reports) remove_report_file(folder, report.file);
        };
        co_await lane.run(context, remove_files);
        for (const sql::OldReport& report : reports)
            co_await context.write(remove_report, report.id);
        if (reports.size() < at_once) break;
    }
    int stale = 0;
    auto remove_stale = [&] {
        stale = remove_stale_files(folder, unfinished_file_kept, finished_file_kept);
    };
    co_await lane.run(context, remove_stale);
    if (stale > 0) log::info("files that belong to no report are removed", {{"files", stale}});
    co_await fail_stranded(context);
}

}  // namespace

void jobs(Handlers& handlers) {
    loadstone::jobs::Limit one_each;
    one_each.name = "reports.owner";
    one_each.running_max = 1;
    handlers.handle(make_report)
        .attempts(attempts_max)
        .timeout(std::chrono::minutes(10))
        .backoff(std::chrono::seconds(2), std::chrono::minutes(10))
        .expires_after(std::chrono::hours(24))
        .bound(ready_max)
        .limit(one_each, &MakeReport::owner)
        .unique(&MakeReport::owner, &MakeReport::kind, &MakeReport::from, &MakeReport::to);
    handlers.on_buried(give_up_report);
    // A queue of its own: mails that wait for a provider are no reports that wait.
    handlers.handle(send_report_link)
        .queue("report_links")
        .attempts(120)
        .timeout(std::chrono::seconds(90))
        .tenant(&SendReportLink::tenant)
        .limit(notifications::per_provider(), &SendReportLink::provider);
    handlers.handle(remove_old_reports).timeout(std::chrono::minutes(5)).unique();
    // One that was missed is not made up: who starts has better to do than to go through the
    // folder, and the next one finds the same.
    handlers.recurring("removal", "*/10 * * * *", "UTC", RemoveOldReports{},
                       loadstone::jobs::MissedFire::skip);
}

}  // namespace campus::reports
