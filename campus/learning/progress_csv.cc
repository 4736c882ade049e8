#include "campus/learning/progress_csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "campus/learning/sql.h"
#include "loadstone/base/csv.h"

namespace campus::learning {

using namespace loadstone;

namespace {

constexpr int page_rows = 1'000;  // some 100 KB of CSV, and a few milliseconds of a reader

class ProgressCsv final : public net::PieceStream {
public:
    explicit ProgressCsv(courses::CourseId course) : course_(course) {}

private:
    Task<void> next_piece(Context& context, std::string& text) override;
    Task<void> learn_lessons(Context& context, courses::LessonId up_to);
    void append(std::string& text, const sql::ProgressLine& line) const;

    const courses::CourseId course_;
    bool has_begun_ = false;
    std::optional<sql::ProgressLinesCursor> after_;  // none behind the beginning: all is read
    std::unordered_map<courses::LessonId, courses::Lesson> lessons_;
    courses::LessonId known_up_to_;  // a course gets lessons while it is read, of greater ids
};

Task<void> ProgressCsv::next_piece(Context& context, std::string& text) {
    if (has_begun_ && !after_) co_return;
    if (!has_begun_)
        append_csv_record(text, {"learner", "lesson", "lesson_number", "lesson_title", "length_s",
                                 "position_s", "updated_at", "completed_at"});
    has_begun_ = true;
    const auto page = co_await sql::progress_lines(context.reader(), course_, page_rows, after_);
    courses::LessonId newest;
    for (const sql::ProgressLine& line : page.rows) newest = std::max(newest, line.lesson_id);
    if (newest > known_up_to_) co_await learn_lessons(context, newest);
    for (const sql::ProgressLine& line : page.rows) append(text, line);
    after_ = page.next;
}

Task<void> ProgressCsv::learn_lessons(Context& context, courses::LessonId up_to) {
    auto all = co_await courses::lessons(context.reader(), course_);
    for (courses::Lesson& lesson : all) lessons_[lesson.id] = std::move(lesson);
    known_up_to_ = up_to;
}

void ProgressCsv::append(std::string& text, const sql::ProgressLine& line) const {
    const auto found = lessons_.find(line.lesson_id);
    static const courses::Lesson unknown;
    const courses::Lesson& lesson = found == lessons_.end() ? unknown : found->second;
    append_csv_record(text,
                      {fmt::to_string(line.user_id.value), fmt::to_string(line.lesson_id.value),
                       fmt::to_string(lesson.number), lesson.title, fmt::to_string(lesson.length_s),
                       fmt::to_string(line.position_s), to_rfc3339(line.updated_at),
                       line.completed_at ? to_rfc3339(*line.completed_at) : ""});
}

}  // namespace

std::shared_ptr<net::BodyStream> progress_csv(courses::CourseId course) {
    return std::make_shared<ProgressCsv>(course);
}

}  // namespace campus::learning
