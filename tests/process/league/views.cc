#include <atomic>
#include <chrono>

#include "loadstone/runtime/loops.h"
#include "tests/process/league/league.h"
#include "tests/process/league/sql_accesses.h"

namespace league {

using namespace loadstone;

namespace {

// Some computations take longer than others' commits, after they have read.
Task<void> linger() {
    static std::atomic<unsigned> computations{0};
    if (computations.fetch_add(1, std::memory_order_relaxed) % 4 != 0) co_return;
    const Deadline end = Deadline::in(std::chrono::milliseconds(3));
    co_await runtime::sleep_until(end);
}

Task<std::vector<sql::Player>> compute_players(Reader reader, std::int64_t team) {
    auto rows = co_await sql::players_of_team(reader, team);
    co_await linger();
    co_return rows;
}

Task<std::vector<sql::Place>> compute_places(Reader reader, std::int64_t player) {
    auto rows = co_await sql::places_of_player(reader, player);
    co_await linger();
    co_return rows;
}

Task<std::vector<sql::TeamSum>> compute_sums(Reader reader, std::vector<std::int64_t> of) {
    auto rows = co_await sql::sums_of_teams(reader, of);
    co_await linger();
    co_return rows;
}

Task<std::vector<sql::TeamSum>> compute_league(Reader reader, std::int64_t league) {
    auto rows = co_await sql::teams_of_league(reader, league);
    co_await linger();
    co_return rows;
}

Task<sql::Sum> compute_all(Reader reader, std::int64_t) {
    const sql::Sum sum = co_await sql::sum_of_all(reader);
    co_await linger();
    co_return sum;
}

Task<Page> compute_page(Reader reader, std::int64_t team) {
    Page page;
    page.league = co_await sql::league_of(reader, team);
    co_await linger();
    page.players = co_await sql::players_of_team(reader, team);
    co_return page;
}

template <auto column>
Task<std::vector<cache::Figure>> recompute(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::figures_of_teams(reader, keys.first, keys.last, keys.keys_max);
    std::vector<cache::Figure> figures;
    for (const sql::Figures& row : rows) {
        const std::optional<std::int64_t> value = row.*column;
        if (value) figures.push_back({row.team, *value});
    }
    co_return figures;
}

Task<std::vector<cache::Figure>> recompute_ranked(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::figures_of_teams(reader, keys.first, keys.last, keys.keys_max);
    std::vector<cache::Figure> figures;
    for (const sql::Figures& row : rows) figures.push_back({row.team, row.points, row.league});
    co_return figures;
}

}  // namespace

const cache::View<std::int64_t, std::vector<sql::Player>> players_of_team{
    .name = "league.players", .compute = compute_players, .reads = {{"players", "team"}}};
const cache::View<std::int64_t, std::vector<sql::Place>> places_of_player{
    .name = "league.places", .compute = compute_places, .reads = {{"players", "id"}}};
const cache::View<std::vector<std::int64_t>, std::vector<sql::TeamSum>> sums_of_teams{
    .name = "league.sums", .compute = compute_sums, .reads = {{"players", "team"}}};
const cache::View<std::int64_t, std::vector<sql::TeamSum>> teams_of_league{
    .name = "league.teams", .compute = compute_league, .reads = {{"teams", "league"}, {"players"}}};
const cache::View<std::int64_t, std::vector<sql::TeamSum>> shared_teams_of_league{
    .name = "league.shared_teams",
    .compute = compute_league,
    .reads = {{"teams", "league"}, {"players"}},
    .once_in_cluster = true};
const cache::View<std::int64_t, sql::Sum> sum_of_all{
    .name = "league.all", .compute = compute_all, .reads = {{"players"}}};
const cache::View<std::int64_t, Page> page_of_team{.name = "league.page",
                                                   .compute = compute_page,
                                                   .reads = {{"teams", "id"}, {"players", "team"}}};

const cache::Aggregate players_in{.name = "league.players_in",
                                  .recompute = recompute<&sql::Figures::players>};
const cache::Aggregate points_of{.name = "league.points",
                                 .recompute = recompute<&sql::Figures::points>};
const cache::Aggregate best_of{.name = "league.best",
                               .kind = cache::AggregateKind::greatest,
                               .recompute = recompute<&sql::Figures::best>};
const cache::Aggregate worst_of{.name = "league.worst",
                                .kind = cache::AggregateKind::least,
                                .recompute = recompute<&sql::Figures::worst>};
const cache::Aggregate points_ranked{
    .name = "league.ranked", .kind = cache::AggregateKind::ranked, .recompute = recompute_ranked};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(players_of_team);
    views.add(places_of_player);
    views.add(sums_of_teams);
    views.add(teams_of_league);
    views.add(shared_teams_of_league);
    views.add(sum_of_all);
    views.add(page_of_team);
    for (const auto* each : {&players_in, &points_of, &best_of, &worst_of, &points_ranked})
        views.add(*each);
}

}  // namespace league
