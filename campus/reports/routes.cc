#include "campus/reports/routes.h"

#include <fmt/core.h>

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "campus/reports/commands.h"
#include "campus/reports/folder.h"
#include "campus/reports/report_file.h"
#include "campus/reports/sql.h"
#include "campus/reports/writing.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/net/body_stream.h"
#include "loadstone/runtime/lane.h"

namespace campus::reports {

using namespace loadstone;

namespace {

struct Wanted {
    std::string kind;
    std::optional<Timestamp> from, to;
};
BOOST_DESCRIBE_STRUCT(Wanted, (), (kind, from, to))

void validate(Check& check, const Wanted& in) {
    check.that("kind",
               in.kind == "audit" || in.kind == "activity_csv" || in.kind == "activity_parquet",
               "must be \"audit\", \"activity_csv\" or \"activity_parquet\"");
    check.that("to", !in.from || !in.to || *in.from < *in.to, "must be later than from");
}

struct Taken {
    ReportId id;
};
BOOST_DESCRIBE_STRUCT(Taken, (), (id))

struct Progress {
    double fraction = 0;
    std::string note;
};
BOOST_DESCRIBE_STRUCT(Progress, (), (fraction, note))

struct Report {
    ReportId id;
    std::string kind;
    Timestamp from, to;
    std::string state;                  // waiting, running, done, failed
    std::optional<Progress> progress;   // while it runs
    std::optional<std::string> reason;  // why it has failed
    Timestamp requested_at;
    std::optional<Timestamp> ended_at;
    std::optional<std::int64_t> rows, bytes;  // when it is done
    std::optional<std::string> file;          // where it is then
};
BOOST_DESCRIBE_STRUCT(Report, (),
                      (id, kind, from, to, state, progress, reason, requested_at, ended_at, rows,
                       bytes, file))

struct PageOfReports {
    std::optional<std::int64_t> before;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfReports, (), (before, limit))

void validate(Check& check, const PageOfReports& page) {
    check.range("limit", page.limit.value_or(50), 1, 200);
    check.range("before", page.before.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
}

struct Reports {
    std::vector<Report> reports;
    std::optional<std::int64_t> next_before;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Reports, (), (reports, next_before))

Report shown(const sql::ReportRow& row) {
    Report report;
    report.id = row.id;
    report.kind = row.kind;
    report.from = row.period_from;
    report.to = row.period_to;
    report.state = row.state;
    report.requested_at = row.requested_at;
    report.ended_at = row.ended_at;
    if (row.state == "failed") report.reason = row.reason;
    if (row.state == "done") {
        report.rows = row.row_count;
        report.bytes = row.byte_count;
        report.file = fmt::format("/api/reports/{}/file", row.id.value);
    }
    return report;
}

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

// Another's is as good as none.
Task<sql::ReportRow> own_report(Context& context, ReportId id) {
    const accounts::UserId user = user_of(context);
    auto row = co_await sql::report_by_id(context.reader(), id);
    if (!row || row->owner_id != user || row->state == "cancelled")
        throw Error(Errc::not_found, fmt::format("there is no report {}", id.value));
    co_return std::move(*row);
}

Task<Reply<Taken, 202>> ask_for_report(Context& context, const Request& request, Body<Wanted> in) {
    NewReport wanted;
    wanted.owner = user_of(context);
    wanted.kind = in->kind;
    wanted.from = in->from;
    wanted.to = in->to;
    wanted.address = request.address();
    const ReportId id = co_await context.write(request_report, wanted);
    Reply<Taken, 202> reply{{id}};
    reply.headers.emplace_back("Location", fmt::format("/api/reports/{}", id.value));
    co_return reply;
}

Task<Reply<Report>> show_report(Context& context, Path<ReportId> id) {
    const sql::ReportRow row = co_await own_report(context, id.value);
    Reply<Report> reply{shown(row)};
    if (row.state == "running") {
        const auto told = co_await jobs::progress_of(context.reader(), row.job);
        reply.body.progress.emplace();
        if (told) {
            reply.body.progress->fraction = told->fraction;
            reply.body.progress->note = told->note;
        }
    }
    co_return reply;
}

Task<Reply<Reports>> own_reports(Context& context, Parameters<PageOfReports> page) {
    std::optional<sql::ReportsOfOwnerCursor> before;
    if (page->before) before.emplace().id = ReportId(*page->before);
    const auto found = co_await sql::reports_of_owner(context.reader(), user_of(context),
                                                      page->limit.value_or(50), before);
    Reply<Reports> reply;
    if (found.next) reply.body.next_before = found.next->id.value;
    for (const sql::ReportRow& row : found.rows) reply.body.reports.push_back(shown(row));
    co_return reply;
}

Task<Response> report_file(Context& context, Path<ReportId> id) {
    const sql::ReportRow row = co_await own_report(context, id.value);
    if (row.state != "done")
        throw Error(Errc::not_found, fmt::format("report {} is not done", row.id.value));
    Response response;
    const std::string ending = ending_of(row.kind);
    response.content_type =
        ending == "csv" ? "text/csv; charset=utf-8" : "application/vnd.apache.parquet";
    response.stream = net::file_body(folder_of(context) + "/" + row.file);
    response.set_header("Content-Disposition", fmt::format("attachment; filename=\"{}-{}.{}\"",
                                                           row.kind, row.id.value, ending));
    response.set_header("Cache-Control", "private, no-store");
    co_return response;
}

Task<Response> remove_own_report(Context& context, Path<ReportId> id) {
    const sql::ReportRow row = co_await own_report(context, id.value);
    const std::string file = co_await context.write(forget_report, row.id, row.owner_id, row.job);
    const std::string folder = folder_of(context);
    auto work = [&] { remove_report_file(folder, file); };
    if (!file.empty()) co_await context.services().get<runtime::CpuLane>().lane.run(context, work);
    co_return net::no_content();
}

}  // namespace

void routes(Routes& routes) {
    routes.post("/api/reports", ask_for_report)
        .summary_is(
            "Ask for a report (audit, activity_csv, activity_parquet); its state is at Location")
        .body_max(4 * 1024)
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(409)
        .may_answer(429);
    routes.get("/api/reports", own_reports).summary_is("One's own reports, newest first");
    routes.get("/api/reports/{report}", show_report)
        .summary_is("A report of one's own: its state and how far it has come")
        .may_answer(404);
    routes.get("/api/reports/{report}/file", report_file)
        .summary_is("The file of a report that is done")
        .may_answer(404);
    routes.remove("/api/reports/{report}", remove_own_report)
        .summary_is("Cancel a report, or remove it with its file")
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(404);
}

}  // namespace campus::reports
