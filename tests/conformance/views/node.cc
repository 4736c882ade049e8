#include "tests/conformance/views/node.h"

#include <fmt/format.h>

#include "loadstone/cache/views.h"
#include "tests/conformance/views/ranks.h"
#include "tests/conformance/views/scores.h"
#include "tests/conformance/views/sql_accesses.h"

namespace tests::conformance::views {

namespace {

cache::Sources sources() {
    cache::Sources all;
    loadstone::cache::Views views("views", all);
    views.statements(sql::accesses);
    views.add(total_of);
    views.add(sum_of);
    views.add(guarded_total_of);
    views.add(shared_total_of);
    views.add(patient_total_of);
    views.add(failing_total_of);
    views.add(brief_total_of);
    for (const cache::Aggregate* each : aggregates) views.add(*each);
    views.add(points_ranked);
    return all;
}

Task<void> add_point_in(Tx& tx, std::int64_t course, std::int64_t user) {
    co_await sql::add_point(tx, course, user);
}
Task<void> add_everywhere_in(Tx& tx, std::int64_t user) {
    co_await sql::add_point_everywhere(tx, user);
}
Task<void> change_in(Tx& tx, std::int64_t user, std::int64_t before, std::int64_t after) {
    co_await sql::change_course(tx, user, before, after);
}
Task<void> fail_in(Tx& tx, std::int64_t course) {
    co_await sql::add_point(tx, course, 1);
    throw Error(Errc::conflict, "on purpose");
}
Task<void> remark_in(Tx& tx, std::int64_t id) { co_await sql::remark(tx, id); }

}  // namespace

Node::Node(const loadstone::store::DatabaseOptions& options, cache::CacheOptions cache_options)
    : store_(options), cache_(cache_options, sources(), store_.database(), store_.registry()) {
    services_.add<loadstone::telemetry::Registry>(store_.registry());
    services_.add<loadstone::store::Database>(cache_.database());
    services_.add<cache::Cache>(cache_);
}

Task<Total> compute_total(Reader reader, std::int64_t course) {
    ++computations;
    const std::int64_t points = co_await sql::total(reader, course);
    if (is_held) {
        ++held;
        co_await release_held.wait(reader.context().deadline());
    }
    co_return Total{points};
}

Task<Total> compute_failing(Reader reader, std::int64_t course) {
    const Total total = co_await compute_total(reader, course);
    throw Error(Errc::not_found, fmt::format("there are only {}", total.points));
    co_return total;
}

Task<Total> compute_guarded(Reader reader, std::int64_t course) {
    ++computations;
    const int now = ++under_way;
    for (int most = under_way_most; now > most;) {
        if (under_way_most.compare_exchange_weak(most, now)) break;
    }
    const std::int64_t points = co_await sql::guarded_total(reader, course);
    --under_way;
    co_return Total{points};
}

Task<Total> compute_sum(Reader reader, std::vector<std::int64_t> courses) {
    ++computations;
    Total sum;
    const auto found = co_await sql::totals(reader, courses);
    for (const auto& each : found) sum.points += each.points;
    co_return sum;
}

Task<std::int64_t> cached_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, total_of, course);
    co_return total.points;
}
Task<std::int64_t> old_total(Context& context, std::int64_t course) {
    context.reading().freshness = loadstone::within(std::chrono::hours(1));
    return cached_total(context, course);
}
Task<std::int64_t> guarded_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, guarded_total_of, course);
    co_return total.points;
}
Task<std::int64_t> shared_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, shared_total_of, course);
    co_return total.points;
}
Task<std::int64_t> brief_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, brief_total_of, course);
    co_return total.points;
}
Task<std::int64_t> failing_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, failing_total_of, course);
    co_return total.points;
}
Task<std::int64_t> patient_total(Context& context, std::int64_t course) {
    const Total total = co_await cache::value(context, patient_total_of, course);
    co_return context.reading().stale() ? -1 - total.points : total.points;
}
Task<std::int64_t> cached_sum(Context& context, std::vector<std::int64_t> courses) {
    const Total total = co_await cache::value(context, sum_of, courses);
    co_return total.points;
}
Task<std::int64_t> uncached_total(Context& context, std::int64_t course) {
    co_return co_await sql::total(context.reader(), course);
}
Task<void> add_point(Context& context, std::int64_t course, std::int64_t user) {
    co_await context.write(add_point_in, course, user);
}
Task<void> add_point_everywhere(Context& context, std::int64_t user) {
    co_await context.write(add_everywhere_in, user);
}
Task<void> change_course(Context& context, std::int64_t user, std::int64_t before,
                         std::int64_t after) {
    co_await context.write(change_in, user, before, after);
}
Task<void> write_and_fail(Context& context, std::int64_t course) {
    co_await context.write(fail_in, course);
}
Task<void> remark(Context& context, std::int64_t id) { co_await context.write(remark_in, id); }

}  // namespace tests::conformance::views
