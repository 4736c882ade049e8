#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "tests/process/league/league.h"

namespace league {

using namespace loadstone;

namespace {

std::int64_t one_of(Random& random, std::int64_t count) {
    return 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
}

// Of a team, with what the statement did.
Task<void> change(Tx& tx, std::int64_t team, std::int64_t more_players, std::int64_t more_points) {
    const std::int64_t league = co_await sql::league_of(tx, team);
    cache::add(tx, players_in, team, more_players);
    cache::add(tx, points_of, team, more_points);
    cache::add(tx, points_ranked, team, more_points, std::optional(league));
}

void include(Tx& tx, std::int64_t team, std::int64_t points) {
    cache::include(tx, best_of, team, points);
    cache::include(tx, worst_of, team, points);
}

void recompute_extremes(Tx& tx, std::int64_t team) {
    cache::recompute(tx, best_of, team);
    cache::recompute(tx, worst_of, team);
}

void recompute_all(Tx& tx, std::int64_t team) {
    recompute_extremes(tx, team);
    for (const auto* each : {&players_in, &points_of, &points_ranked})
        cache::recompute(tx, *each, team);
}

Task<void> hire(Tx& tx, Random& random) {
    const auto id = one_of(random, players), team = one_of(random, teams);
    const auto points = one_of(random, 1'000'000);
    const auto inserted = co_await sql::insert_player(tx, id, team, points);
    if (inserted == 0) co_return;
    co_await change(tx, team, 1, points);
    include(tx, team, points);
}

Task<void> score(Tx& tx, Random& random) {
    const auto id = one_of(random, players), points = one_of(random, 1'000'000);
    const auto before = co_await sql::player(tx, id);
    if (!before) co_return;
    co_await sql::set_points(tx, id, before->team, points);
    co_await change(tx, before->team, 0, points - before->points);
    recompute_extremes(tx, before->team);
}

Task<void> transfer(Tx& tx, Random& random) {
    const auto id = one_of(random, players), team = one_of(random, teams);
    const auto before = co_await sql::player(tx, id);
    if (!before || before->team == team) co_return;
    co_await sql::transfer(tx, id, before->team, team);
    co_await change(tx, before->team, -1, -before->points);
    co_await change(tx, team, 1, before->points);
    recompute_extremes(tx, before->team);
    include(tx, team, before->points);
}

Task<void> dismiss(Tx& tx, Random& random) {
    const auto id = one_of(random, players);
    const auto before = co_await sql::player(tx, id);
    if (!before) co_return;
    co_await sql::remove_player(tx, id);
    co_await change(tx, before->team, -1, -before->points);
    recompute_extremes(tx, before->team);
}

Task<void> reward(Tx& tx, Random& random) {
    const auto team = one_of(random, teams), points = one_of(random, 1'000);
    const auto rewarded = co_await sql::raise_team(tx, team, points);
    co_await change(tx, team, 0, points * static_cast<std::int64_t>(rewarded));
    recompute_extremes(tx, team);
}

Task<void> reward_some(Tx& tx, Random& random) {
    const auto remainder = one_of(random, 16) - 1, points = one_of(random, 1'000);
    co_await sql::raise_some(tx, remainder, points);
    for (std::int64_t team = 1; team <= teams; ++team) recompute_all(tx, team);
}

Task<void> call_up(Tx& tx, Random& random) {
    const auto team = one_of(random, teams);
    co_await sql::call_up(tx, team);
    recompute_all(tx, team);
}

Task<void> dissolve(Tx& tx, Random& random) {
    const auto first = one_of(random, teams);
    const std::vector<std::int64_t> both{first, first % teams + 1};
    co_await sql::dissolve(tx, both);
    for (const std::int64_t team : both) recompute_all(tx, team);
}

Task<void> move(Tx& tx, Random& random) {
    const auto team = one_of(random, teams), league = one_of(random, leagues);
    co_await sql::move_team(tx, team, league);
    cache::recompute(tx, points_ranked, team);
}

Task<void> act(Tx& tx, Random& random) {
    const auto what = random.below(40);
    if (what < 14) return hire(tx, random);
    if (what < 22) return score(tx, random);
    if (what < 29) return transfer(tx, random);
    if (what < 32) return dismiss(tx, random);
    if (what < 35) return reward(tx, random);
    if (what < 36) return reward_some(tx, random);
    if (what < 38) return call_up(tx, random);
    if (what < 39) return dissolve(tx, random);
    return move(tx, random);
}

}  // namespace

Task<std::int64_t> play(Tx& tx, std::int64_t seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const auto actions = one_of(random, 3);
    for (std::int64_t i = 0; i < actions; ++i) co_await act(tx, random);
    if (random.below(12) == 0) throw Error(Errc::invalid_argument, "on purpose");
    co_return co_await sql::end_transaction(tx);
}

}  // namespace league
