#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "campus/courses/courses.h"
#include "campus/learning/learning.h"
#include "campus/organisations/organisations.h"
#include "campus/reports/writing.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

namespace campus::reports {

using namespace loadstone;

namespace {

constexpr int courses_at_once = 100;
constexpr std::size_t courses_max = 10'000;

using Pages = Task<courses::CoursesPage> (*)(Reader, std::int64_t of,
                                             std::optional<courses::CourseId> before);

Task<courses::CoursesPage> of_instructor(Reader reader, std::int64_t of,
                                         std::optional<courses::CourseId> before) {
    return courses::courses_of_instructor(reader, accounts::UserId(of), before, courses_at_once);
}

Task<courses::CoursesPage> of_organisation(Reader reader, std::int64_t of,
                                           std::optional<courses::CourseId> before) {
    return courses::courses_of_organisation(reader, organisations::OrganisationId(of), before,
                                            courses_at_once);
}

constexpr std::size_t piece_bytes = 1U << 20U;  // copied and synced at once

Task<void> add_all(Reader reader, Pages pages, std::int64_t of, std::set<courses::CourseId>& ids) {
    std::optional<courses::CourseId> before;
    do {
        const auto page = co_await pages(reader, of, before);
        for (const courses::Course& course : page.courses) ids.insert(course.id);
        before = page.next_before;
        if (ids.size() > courses_max)
            throw Error(Errc::resource_exhausted,
                        fmt::format("the owner has more than {} courses", courses_max));
    } while (before);
}

// Those that the owner teaches, and as an admin those of the organisation.
Task<std::vector<courses::CourseId>> courses_told_of(Writing& writing) {
    const Reader reader = writing.context.reader();
    const accounts::UserId owner = writing.report.owner_id;
    std::set<courses::CourseId> ids;
    co_await add_all(reader, of_instructor, owner.value, ids);
    const auto member = co_await organisations::membership(reader, owner);
    if (member && member->role >= organisations::Role::admin)
        co_await add_all(reader, of_organisation, member->organisation.value, ids);
    co_return std::vector<courses::CourseId>(ids.begin(), ids.end());
}

// The next piece of what the store has made; empty at its end.
std::string read_piece(std::ifstream& from, const std::string& path) {
    std::string piece(piece_bytes, '\0');
    from.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (from.bad())
        throw Error(Errc::unavailable, fmt::format("the export {} cannot be read", path));
    piece.resize(static_cast<std::size_t>(from.gcount()));
    return piece;
}

Task<void> copy(Writing& writing, const analytics::ExportedFile& made) {
    std::ifstream from(made.path(), std::ios::binary);
    for (;;) {
        writing.context.throw_if_done("copying an export");
        std::size_t copied = 0;
        auto work = [&] {
            const std::string piece = read_piece(from, made.path());
            if (!piece.empty()) writing.file->append(piece);
            copied = piece.size();
        };
        co_await writing.lane.run(writing.context, work);
        writing.step.bytes += static_cast<std::int64_t>(copied);
        if (copied == 0) break;
        writing.job.progress(
            static_cast<double>(writing.step.bytes) / static_cast<double>(made.bytes()),
            fmt::format("{} of {} bytes", writing.step.bytes, made.bytes()));
    }
    if (writing.step.bytes != made.bytes())
        throw Error(Errc::unavailable,
                    fmt::format("the export {} has {} bytes of {}: the store has gone", made.path(),
                                writing.step.bytes, made.bytes()));
}

// On a server that has not the store, or while it is out of order: the job is put off, and any
// server that runs jobs may go on with it. Why is for operators.
Task<analytics::ExportedFile> export_file(Writing& writing) {
    auto ids = co_await courses_told_of(writing);
    const learning::Period period{writing.report.period_from, writing.report.period_to};
    std::optional<Error> failed;
    try {
        co_return co_await learning::export_activity(writing.context, std::move(ids), period,
                                                     "report-" + writing.step.file);
    } catch (const Error& error) {
        failed = error;
    }
    if (failed->code() == Errc::unavailable) {
        writing.job.progress(0, "waits for the column store");
        log::warning("a report waits for the column store",
                     {{"report", writing.report.id.value}, {"error", failed->message()}});
    }
    throw Error(*failed);
}

}  // namespace

Task<void> write_activity(Writing& writing) {
    writing.step = Step{};
    writing.step.file = writing.file_name();
    writing.job.progress(0, "the column store makes the file");
    const auto made = co_await export_file(writing);
    writing.step.rows = writing.step.total = made.rows();
    auto begin = [&] {
        writing.file = std::make_unique<ReportFile>(writing.folder, writing.step.file);
    };
    co_await writing.lane.run(writing.context, begin);
    co_await copy(writing, made);
    writing.step.is_whole = true;
    co_await save(writing);
    auto publish = [&] { writing.file->publish(); };
    co_await writing.lane.run(writing.context, publish);
}

}  // namespace campus::reports
