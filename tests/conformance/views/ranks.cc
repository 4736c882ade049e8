#include "tests/conformance/views/ranks.h"

#include "loadstone/cache/verify.h"
#include "loadstone/store/context_store.h"
#include "tests/conformance/views/sql.h"

namespace tests::conformance::views {

namespace {

Task<std::vector<cache::Figure>> recompute(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::points_by_course(reader, keys.first, keys.last, keys.keys_max);
    std::vector<cache::Figure> figures;
    for (const auto& row : rows) figures.push_back({row.key, row.value, row.of_group});
    co_return figures;
}

Task<void> found_in(Tx& tx, std::int64_t course, std::int64_t faculty) {
    co_await sql::set_faculty(tx, course, faculty);
}

Task<void> found_all_in(Tx& tx, std::int64_t last) {
    for (std::int64_t course = 1; course <= last; ++course)
        co_await sql::set_faculty(tx, course, course % 2);
}

Task<void> move_in(Tx& tx, std::int64_t course, std::int64_t faculty) {
    co_await sql::set_faculty(tx, course, faculty);
    cache::recompute(tx, points_ranked, course);
}

Task<void> award_in(Tx& tx, std::int64_t course, std::int64_t user, std::int64_t points) {
    const auto faculty = co_await sql::faculty_of(tx, course);
    const auto before = co_await sql::points_of(tx, course, user);
    if (before) {
        co_await sql::change_points(tx, course, user, points);
    } else {
        co_await sql::insert_score(tx, course, user, points);
    }
    cache::add(tx, points_ranked, course, points - before.value_or(0), faculty);
}

Task<void> revoke_in(Tx& tx, std::int64_t course, std::int64_t user) {
    const auto faculty = co_await sql::faculty_of(tx, course);
    const auto before = co_await sql::points_of(tx, course, user);
    if (!before) co_return;
    co_await sql::remove_score(tx, course, user);
    cache::add(tx, points_ranked, course, -*before, faculty);
}

Task<void> move_and_award_in(Tx& tx, std::int64_t moved, std::int64_t faculty, std::int64_t course,
                             std::int64_t user, std::int64_t points) {
    co_await move_in(tx, moved, faculty);
    co_await award_in(tx, course, user, points);
}

Task<void> award_and_fail_in(Tx& tx, std::int64_t course, std::int64_t user) {
    co_await award_in(tx, course, user, 1'000'000);
    throw Error(Errc::invalid_argument, "on purpose");
}

template <class Row>
Places places_of(const std::vector<Row>& rows) {
    Places places;
    for (const Row& row : rows) places.emplace_back(row.key, row.value);
    return places;
}

Task<Places> kept(Reader reader, std::int64_t faculty, int count) {
    std::vector<cache::Figure> found;
    if (faculty == 0) {
        found = co_await cache::top(reader, points_ranked, count);
    } else {
        found = co_await cache::top(reader, points_ranked, faculty, count);
    }
    co_return places_of(found);
}

Task<Places> counted(Reader reader, std::int64_t faculty, int count) {
    if (faculty == 0) {
        const auto rows = co_await sql::true_top(reader, count);
        co_return places_of(rows);
    }
    const auto rows = co_await sql::true_top_of_faculty(reader, faculty, count);
    co_return places_of(rows);
}

Task<void> compare_in(Tx& tx, std::int64_t faculties, std::int64_t* wrong) {
    *wrong = 0;
    for (std::int64_t faculty = 0; faculty <= faculties; ++faculty) {
        for (int count = 1; count <= 4; ++count) {
            const Places one = co_await kept(tx, faculty, count);
            const Places other = co_await counted(tx, faculty, count);
            if (one != other) ++*wrong;
        }
    }
}

}  // namespace

const cache::Aggregate points_ranked{
    .name = "views.points_ranked", .kind = cache::AggregateKind::ranked, .recompute = recompute};

Task<void> found_course(Context& context, std::int64_t course, std::int64_t faculty) {
    co_await context.write(found_in, course, faculty);
}

Task<void> found_courses(Context& context, std::int64_t last) {
    co_await context.write(found_all_in, last);
}

Task<void> move_course(Context& context, std::int64_t course, std::int64_t faculty) {
    co_await context.write(move_in, course, faculty);
}

Task<void> award(Context& context, std::int64_t course, std::int64_t user, std::int64_t points) {
    co_await context.write(award_in, course, user, points);
}

Task<void> revoke(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(revoke_in, course, user);
}

Task<void> move_and_award(Context& context, std::int64_t moved, std::int64_t faculty,
                          std::int64_t course, std::int64_t user, std::int64_t points) {
    co_await context.write(move_and_award_in, moved, faculty, course, user, points);
}

Task<void> award_and_fail(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(award_and_fail_in, course, user);
}

Task<Places> kept_top(Context& context, std::int64_t faculty, int count) {
    co_return co_await kept(context.reader(), faculty, count);
}

Task<std::int64_t> wrong_tops(Context& context, std::int64_t faculties) {
    std::int64_t wrong = 0;
    co_await context.write(compare_in, faculties, &wrong);
    co_return wrong;
}

Task<std::int64_t> rank_differences(Context& context, bool mends) {
    cache::VerifyOptions options;
    options.mends = mends;
    options.batch_keys_max = 3;  // more than one batch
    const auto ignore = [](std::int64_t, std::int64_t) {};
    const cache::Verified verified =
        co_await cache::verify(context.services(), points_ranked, options, ignore);
    co_return verified.different;
}

Task<std::int64_t> build_ranks(Context& context) {
    const std::vector<const cache::Aggregate*> only{&points_ranked};
    const auto ignore = [](std::int64_t, std::int64_t) {};
    const std::size_t built = co_await cache::build(context.services(), only, ignore);
    co_return static_cast<std::int64_t>(built);
}

Task<void> fold(Context& context, Node* node) { co_await node->cache().folding().fold(context); }

std::uint64_t folded(Node& node) {
    return node.store().registry().counter("loadstone_aggregates_folded_total", "", "").value();
}

}  // namespace tests::conformance::views
