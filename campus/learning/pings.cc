#include "campus/learning/pings.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "campus/learning/activity.h"
#include "campus/learning/facts.h"
#include "campus/learning/sql.h"

namespace campus::learning {

using namespace loadstone;

namespace {

using Key = std::tuple<accounts::UserId, courses::CourseId, courses::LessonId>;

// In the order of the primary key.
template <class Row>
Key key_of(const Row& row) {
    return {row.user_id, row.course_id, row.lesson_id};
}

bool is_before(const NotedPosition& one, const NotedPosition& other) {
    return key_of(one) < key_of(other);
}

void take_greatest(NotedPosition& into, const NotedPosition& other) {
    into.position_s = std::max(into.position_s, other.position_s);
}

// What comes first of its learner, course and day makes the learner active, as note_activity() does
// of one by itself.
Task<void> note_active(Tx& tx, const std::vector<sql::KeptPosition>& found,
                       const std::vector<courses::CourseId>& courses, Timestamp now) {
    const std::int64_t day = day_of(now);
    std::set<std::pair<courses::CourseId, accounts::UserId>> active;
    for (const sql::KeptPosition& row : found) {
        const bool was_raised = row.updated_at == now;
        if (was_raised && row.active_day < day) active.emplace(row.course_id, row.user_id);
    }
    if (active.empty()) co_return;
    std::vector<ActiveLearner> learners;
    for (const auto& [course, user] : active) learners.push_back({course, user});
    const auto begun = co_await sql::begin_active_days(tx, courses, learners, day, now);
    co_await sql::note_active_days(tx, courses, learners, day);
    for (const ActiveLearner& each : begun) {
        const Activity fact = activity(now, each.course_id, each.user_id, "active");
        co_await analytics::record(tx, fact);
    }
}

// Of a row whose position is not kept the learner was not enrolled when it was written.
Task<std::vector<Result<std::int64_t>>> write_positions(Tx& tx, std::vector<NotedPosition> rows) {
    std::set<courses::CourseId> courses;
    for (const NotedPosition& row : rows) courses.insert(row.course_id);
    const std::vector<courses::CourseId> of(courses.begin(), courses.end());
    const Timestamp now = Timestamp::now();
    co_await sql::raise_positions(tx, of, rows, now);
    const std::vector<sql::KeptPosition> found = co_await sql::kept_positions(tx, rows);
    co_await note_active(tx, found, of, now);
    std::map<Key, std::int64_t> kept;
    for (const sql::KeptPosition& row : found) kept.emplace(key_of(row), row.position_s);
    std::vector<Result<std::int64_t>> results;
    for (const NotedPosition& row : rows) {
        const auto position = kept.find(key_of(row));
        if (position == kept.end())
            results.emplace_back(failure(not_enrolled(row.course_id)));
        else
            results.emplace_back(position->second);
    }
    co_return results;
}

}  // namespace

const store::CoalescedWrite<NotedPosition, std::int64_t> note_positions{
    .name = "learning.pings",
    .write = write_positions,
    .is_before = is_before,
    .merge = take_greatest,
};

Task<std::int64_t> note_ping(Context& context, Ping ping) {
    const courses::Lesson& lesson = ping.lesson;
    if (ping.position_s >= lesson.length_s) co_return co_await context.write(note_progress, ping);
    const NotedPosition row{lesson.course_id, ping.user, lesson.id, ping.position_s};
    co_return co_await store::write_coalesced(context, note_positions, row);
}

}  // namespace campus::learning
