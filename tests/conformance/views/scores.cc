#include "tests/conformance/views/scores.h"

#include "loadstone/cache/verify.h"
#include "loadstone/store/context_store.h"
#include "tests/conformance/views/sql.h"

namespace tests::conformance::views {

namespace {

template <std::int64_t sql::ScoresByCourseRow::* column>
Task<std::vector<cache::Figure>> recompute(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::scores_by_course(reader, keys.first, keys.last, keys.keys_max);
    std::vector<cache::Figure> figures;
    for (const auto& row : rows) figures.push_back({row.course_id, row.*column});
    co_return figures;
}

Task<void> put_in(Tx& tx, std::int64_t course, std::int64_t user, std::int64_t points) {
    const auto before = co_await sql::points_of(tx, course, user);
    // Not one statement that does either: on PostgreSQL it would insert a row that was there, and
    // that another has deleted since (docs/internals/aggregates.md).
    if (before) {
        co_await sql::change_points(tx, course, user, points);
    } else {
        co_await sql::insert_score(tx, course, user, points);
    }
    cache::add(tx, learners_of, course, before ? 0 : 1);
    cache::add(tx, points_of_all, course, points - before.value_or(0));
    cache::include(tx, best_of, course, points);
    cache::include(tx, worst_of, course, points);
    if (before && *before > points) cache::recompute(tx, best_of, course);
    if (before && *before < points) cache::recompute(tx, worst_of, course);
}

Task<void> remove_in(Tx& tx, std::int64_t course, std::int64_t user) {
    const auto before = co_await sql::points_of(tx, course, user);
    if (!before) co_return;
    co_await sql::remove_score(tx, course, user);
    cache::add(tx, learners_of, course, -1);
    cache::add(tx, points_of_all, course, -*before);
    cache::recompute(tx, best_of, course);
    cache::recompute(tx, worst_of, course);
}

Task<void> put_and_fail(Tx& tx, std::int64_t course, std::int64_t user) {
    co_await put_in(tx, course, user, 1'000'000);
    throw Error(Errc::invalid_argument, "on purpose");
}

}  // namespace

const cache::Aggregate learners_of{.name = "views.learners",
                                   .recompute = recompute<&sql::ScoresByCourseRow::learners>};
const cache::Aggregate points_of_all{.name = "views.points",
                                     .recompute = recompute<&sql::ScoresByCourseRow::points>};
const cache::Aggregate best_of{.name = "views.best",
                               .kind = cache::AggregateKind::greatest,
                               .recompute = recompute<&sql::ScoresByCourseRow::best>};
const cache::Aggregate worst_of{.name = "views.worst",
                                .kind = cache::AggregateKind::least,
                                .recompute = recompute<&sql::ScoresByCourseRow::worst>};

Task<void> put_score(Context& context, std::int64_t course, std::int64_t user,
                     std::int64_t points) {
    co_await context.write(put_in, course, user, points);
}

Task<void> remove_score(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(remove_in, course, user);
}

Task<void> put_score_and_fail(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(put_and_fail, course, user);
}

Task<Standing> kept_standing(Context& context, std::int64_t course) {
    const std::vector<const cache::Aggregate*> all(aggregates.begin(), aggregates.end());
    const std::vector<std::int64_t> only{course};
    const cache::Figures figures = co_await cache::kept(context.reader(), all, only);
    Standing standing;
    standing.learners = figures.of(learners_of, course);
    standing.points = figures.of(points_of_all, course);
    standing.best = figures.find(best_of, course);
    standing.worst = figures.find(worst_of, course);
    co_return standing;
}

Task<Standing> true_standing(Context& context, std::int64_t course) {
    const auto rows = co_await sql::scores_by_course(context.reader(), course, course, 1);
    Standing standing;
    for (const auto& row : rows) standing = {row.learners, row.points, row.best, row.worst};
    co_return standing;
}

Task<std::int64_t> differences(Context& context, bool mends) {
    std::int64_t found = 0;
    cache::VerifyOptions options;
    options.mends = mends;
    options.batch_keys_max = 3;  // more than one batch
    const auto ignore = [](std::int64_t, std::int64_t) {};
    for (const cache::Aggregate* each : aggregates) {
        const cache::Verified verified =
            co_await cache::verify(context.services(), *each, options, ignore);
        found += verified.different;
    }
    co_return found;
}

Task<std::int64_t> build_all(Context& context) {
    std::vector<const cache::Aggregate*> all(aggregates.begin(), aggregates.end());
    const auto ignore = [](std::int64_t, std::int64_t) {};
    const std::size_t built = co_await cache::build(context.services(), all, ignore);
    co_return static_cast<std::int64_t>(built);
}

}  // namespace tests::conformance::views
