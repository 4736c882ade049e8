// Positions that are noted together are what they are one by one, on both databases.
#include "campus/learning/pings.h"

#include <algorithm>

#include "campus/learning/facts.h"
#include "campus/learning/sql.h"
#include "campus/learning/sql_accesses.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/sql.h"
#include "tests/conformance/conformance.h"

namespace tests::conformance {
namespace {

namespace analytics = loadstone::analytics;
namespace learning = campus::learning;
using campus::accounts::UserId;
using campus::courses::CourseId;
using campus::courses::LessonId;
using learning::NotedPosition;
using Results = std::vector<loadstone::Result<std::int64_t>>;

class Pings : public ::testing::TestWithParam<Backend> {
protected:
    Pings() : database_(GetParam()), options_(test_options(database_.url())) {
        const std::vector<loadstone::store::ModuleMigrations> modules{
            loadstone::store::store_migrations(),
            {"loadstone_analytics", analytics::sql::migrations},
            {"learning", learning::sql::migrations}};
        loadstone::store::migrate(options_, modules);
        store_.emplace(options_);
        std::vector<analytics::FactTable> tables;
        analytics::Facts facts("learning", tables);
        learning::facts(facts);
        recorder_.emplace(tables, 1'000, store_->registry());
        auto& services = const_cast<loadstone::runtime::Services&>(store_->services());
        services.add<analytics::Recorder>(*recorder_);
    }

    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
    std::optional<analytics::Recorder> recorder_;
};

Task<void> enrol(Tx& tx, CourseId course, UserId user) {
    co_await learning::sql::insert_enrolment(tx, course, user);
}
Task<void> enrol_in(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(enrol, CourseId(course), UserId(user));
}

Task<void> note_in(Tx& tx, const std::vector<NotedPosition>& rows, Results& results) {
    tx.see_commits();
    results = co_await learning::note_positions.write(tx, rows);
}
Task<std::vector<std::int64_t>> note(Context& context, std::vector<NotedPosition> rows) {
    Results results;
    const loadstone::store::TxBody body = [&](Tx& tx) { return note_in(tx, rows, results); };
    co_await context.services().get<loadstone::store::Database>().transact(context, body);
    std::vector<std::int64_t> positions;
    for (const auto& result : results) {
        if (!result) EXPECT_EQ(result.error().code(), Errc::permission_denied);
        positions.push_back(result ? *result : -1);
    }
    co_return positions;
}

Task<std::int64_t> position(Context& context, NotedPosition of) {
    co_return co_await learning::sql::position(context.reader(), of.user_id, of.course_id,
                                               of.lesson_id);
}

// How many learners were active in the course, by day.
Task<std::vector<std::int64_t>> active(Context& context, std::int64_t course) {
    const std::vector<CourseId> courses{CourseId(course)};
    const auto days = co_await learning::sql::active_days(context.reader(), courses, 0);
    std::vector<std::int64_t> learners;
    for (const auto& day : days) learners.push_back(day.learners);
    co_return learners;
}

NotedPosition at(std::int64_t user, std::int64_t course, std::int64_t lesson,
                 std::int64_t position_s) {
    return {CourseId(course), UserId(user), LessonId(lesson), position_s};
}

}  // namespace

TEST_P(Pings, AreNotedTogether) {
    for (const auto& [course, user] : {std::pair{1, 1}, {1, 2}, {2, 1}})
        store_->run(enrol_in, std::int64_t{course}, std::int64_t{user});
    const std::vector<NotedPosition> first{at(1, 1, 10, 30), at(1, 1, 11, 0), at(1, 2, 20, 10),
                                           at(2, 1, 10, 7),  at(2, 2, 20, 5), at(3, 1, 10, 9)};
    const std::vector<std::int64_t> noted{30, 0, 10, 7, -1, -1};
    EXPECT_EQ(store_->run(note, first), noted);
    EXPECT_EQ(store_->run(note, first), noted) << "once more changes nothing";
    const std::vector<NotedPosition> then{at(1, 1, 10, 20), at(1, 2, 20, 11), at(3, 1, 10, 1)};
    EXPECT_EQ(store_->run(note, then), (std::vector<std::int64_t>{30, 11, -1}));
    EXPECT_EQ(store_->run(position, at(1, 1, 10, 0)), 30);
    EXPECT_EQ(code_of([&] { store_->run(position, at(2, 2, 20, 0)); }), Errc::not_found);
    EXPECT_EQ(code_of([&] { store_->run(position, at(3, 1, 10, 0)); }), Errc::not_found);
    // By the first ping of each, though two lessons went on in one transaction.
    EXPECT_EQ(store_->run(active, std::int64_t{1}).front(), 2);
    EXPECT_EQ(store_->run(active, std::int64_t{2}).front(), 1);
    EXPECT_TRUE(store_->run(active, std::int64_t{3}).empty());
}

INSTANTIATE_TEST_SUITE_P(On, Pings, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Else each batch would make the overviews of all courses untrue.
TEST(PingsOfViews, MakeUntrueThoseOfTheirCoursesAlone) {
    const bool is_bound =
        std::any_of(std::begin(learning::sql::accesses), std::end(learning::sql::accesses),
                    [](const loadstone::store::Access& access) {
                        return access.statement == "learning.raise_positions" &&
                               access.table == "lesson_progress" && access.column == "course_id" &&
                               access.parameter == 1 && access.is_array && access.writes;
                    });
    EXPECT_TRUE(is_bound);
}

}  // namespace tests::conformance
