#include "campus/reports/write_report.h"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <utility>

#include "campus/audit/audit.h"
#include "campus/organisations/organisations.h"
#include "campus/reports/commands.h"
#include "campus/reports/folder.h"
#include "campus/reports/report_file.h"
#include "campus/reports/sql.h"
#include "campus/reports/writing.h"
#include "loadstone/base/csv.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/outbound/mail.h"
#include "loadstone/runtime/lane.h"

namespace campus::reports {

using namespace loadstone;

namespace {

constexpr int entries_at_once = 500;  // of one read, which stays within a loop's step budget
constexpr std::size_t piece_bytes = 256 * 1024;  // written, synced and saved at once

void append_entry(Writing& writing, const audit::Entry& entry) {
    const std::string id = fmt::to_string(entry.id);
    const std::string time = to_rfc3339(entry.happened_at);
    append_csv_record(writing.text, {id, time, entry.action, entry.detail, entry.address});
    writing.step.id = entry.id;
    writing.step.happened_at = entry.happened_at;
    ++writing.step.rows;
}

Task<void> remove_file(Writing& writing, std::string name) {
    auto work = [&] { remove_report_file(writing.folder, name); };
    co_await writing.lane.run(writing.context, work);
}

Task<void> begin_file(Writing& writing) {
    const std::string name = writing.file_name();
    const Step before = std::exchange(writing.step, {});
    bool goes_on = false;
    auto work = [&] {
        writing.file = std::make_unique<ReportFile>(writing.folder, name);
        if (before.bytes > 0)
            goes_on =
                writing.file->copy_from(before.file, static_cast<std::uint64_t>(before.bytes));
    };
    co_await writing.lane.run(writing.context, work);
    if (goes_on) {
        writing.step = before;
        writing.step.file = name;
        co_await save(writing);
        co_await remove_file(writing, before.file);
        log::info("a report goes on where it was",
                  {{"report", writing.report.id.value}, {"bytes", before.bytes}});
    } else {
        const audit::Period period{writing.report.owner_id.value, writing.report.period_from,
                                   writing.report.period_to};
        writing.step.total = co_await audit::count_entries(writing.context.reader(), period);
        writing.step.happened_at = writing.report.period_from;
        append_csv_record(writing.text, {"id", "happened_at", "action", "detail", "address"});
    }
    writing.step.file = name;
}

// On the disk first, then in the database.
Task<void> write_piece(Writing& writing) {
    auto work = [&] { writing.file->append(writing.text); };
    co_await writing.lane.run(writing.context, work);
    writing.step.bytes += static_cast<std::int64_t>(writing.text.size());
    writing.text.clear();
    co_await save(writing);
    const double total = static_cast<double>(std::max<std::int64_t>(writing.step.total, 1));
    writing.job.progress(static_cast<double>(writing.step.rows) / total,
                         fmt::format("{} of {} entries", writing.step.rows, writing.step.total));
}

Task<void> write_entries(Writing& writing) {
    const audit::Period period{writing.report.owner_id.value, writing.report.period_from,
                               writing.report.period_to};
    auto sink = [&](const audit::Entry& entry) { append_entry(writing, entry); };
    for (;;) {
        if (writing.context.is_cancelled() || writing.context.deadline().passed())
            writing.context.throw_if_done("writing a report");
        const audit::Place after{writing.step.happened_at, writing.step.id};
        const auto entries = co_await audit::each_entry(writing.context.reader(), period, after,
                                                        entries_at_once, sink);
        if (entries < entries_at_once) break;
        if (writing.text.size() >= piece_bytes) co_await write_piece(writing);
    }
    writing.step.is_whole = true;
    co_await write_piece(writing);
    auto work = [&] { writing.file->publish(); };
    co_await writing.lane.run(writing.context, work);
}

// An attempt before this one may have come as far as that.
Task<bool> is_written(Writing& writing) {
    bool is_there = false;
    auto work = [&] {
        is_there = is_published(writing.folder, writing.step.file,
                                static_cast<std::uint64_t>(writing.step.bytes));
    };
    if (writing.step.is_whole) co_await writing.lane.run(writing.context, work);
    co_return is_there;
}

Task<void> write_report(Writing& writing) {
    Context& context = writing.context;
    const jobs::Lease lease = writing.job.lease();
    const auto saved = co_await jobs::saved_step<Step>(context.reader(), lease, step_name);
    if (saved) writing.step = *saved;
    const bool is_there = co_await is_written(writing);
    const bool is_audit = writing.report.kind == "audit";
    if (!is_there && is_audit) {
        co_await begin_file(writing);
        co_await write_entries(writing);
    }
    if (!is_there && !is_audit) {
        const std::string before = writing.step.file;
        co_await write_activity(writing);
        if (!before.empty()) co_await remove_file(writing, before);
    }
    const auto owner = co_await accounts::recipient(context.reader(), writing.report.owner_id);
    SendReportLink mail{writing.report.id, writing.report.owner_id, {}, {}};
    if (owner) mail.provider = outbound::provider_of(owner->email);
    mail.tenant = co_await organisations::tenant_of(context.reader(), mail.owner);
    const bool is_wanted =
        co_await context.write(finish_report, lease, writing.report.id, writing.step, mail);
    if (!is_wanted) co_await remove_file(writing, writing.step.file);
}

Task<void> after_failure(Context& context, Writing& writing) {
    const auto row = co_await sql::report_by_id(context.reader(), writing.report.id);
    const bool is_wanted = row && row->state != "cancelled";
    // What no step names is found by no other attempt: on a full disk it would be in its way.
    if (writing.file && (!is_wanted || !writing.is_saved))
        co_await remove_file(writing, writing.file->name());
    if (!is_wanted) co_await remove_file(writing, writing.step.file);
}

}  // namespace

std::string Writing::file_name() const {
    return fmt::format("{}-{}.{}", report.id.value, job.lease().batch, ending_of(report.kind));
}

const char* ending_of(const std::string& kind) {
    return kind == "activity_parquet" ? "parquet" : "csv";
}

Task<void> save(Writing& writing) {
    co_await writing.context.write(save_progress, writing.job.lease(), writing.step);
    writing.is_saved = true;
}

Task<void> make_report(Context& context, Job<MakeReport> job) {
    const auto row = co_await sql::report_by_id(context.reader(), job->report);
    const bool is_wanted = co_await context.write(begin_report, job->report);
    if (!row || !is_wanted) co_return;
    Writing writing{.context = context,
                    .job = job,
                    .lane = context.services().get<runtime::CpuLane>().lane,
                    .folder = folder_of(context),
                    .report = *row,
                    .step = {},
                    .file = nullptr,
                    .text = {}};
    std::optional<Error> failed;
    try {
        co_await write_report(writing);
    } catch (...) {
        failed = error_from_exception(std::current_exception());
    }
    if (!failed) co_return;
    context.shield(jobs::recording_grace);
    try {
        co_await after_failure(context, writing);
    } catch (const Error& error) {
        log::warning("what became of a report was not recorded",
                     {{"report", job->report.value}, {"error", error.message()}});
    }
    throw Error(*failed);
}

}  // namespace campus::reports
