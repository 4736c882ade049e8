#pragma once
// The program that the test of derived data does its worst to (derived_storm_test.py): leagues of
// teams of players, with views that read them in each way and aggregates of each kind.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/cache/aggregate.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"
#include "loadstone/module/module.h"
#include "tests/process/league/sql.h"

namespace tests::process::league::sql {

BOOST_DESCRIBE_STRUCT(Place, (), (team, points))
BOOST_DESCRIBE_STRUCT(Player, (), (id, points))
BOOST_DESCRIBE_STRUCT(TeamSum, (), (team, players, points))
BOOST_DESCRIBE_STRUCT(Sum, (), (players, points))

}  // namespace tests::process::league::sql

namespace league {

using loadstone::Task;
using loadstone::Tx;
namespace cache = loadstone::cache;
namespace sql = tests::process::league::sql;

inline constexpr std::int64_t teams = 8, leagues = 3, players = 40;

// What a reader was shown, by the name under which the test computes the same: {"team 3", JSON}.
struct Shown {
    std::string name, text;
};
BOOST_DESCRIBE_STRUCT(Shown, (), (name, text))

struct Page {
    std::int64_t league = 0;
    std::vector<sql::Player> players;
};
BOOST_DESCRIBE_STRUCT(Page, (), (league, players))

// Of rows with a value in a column, by a parameter and by a list.
extern const cache::View<std::int64_t, std::vector<sql::Player>> players_of_team;
extern const cache::View<std::int64_t, std::vector<sql::Place>> places_of_player;
extern const cache::View<std::vector<std::int64_t>, std::vector<sql::TeamSum>> sums_of_teams;
// Of two tables, by one of them; the same computed by one node for all.
extern const cache::View<std::int64_t, std::vector<sql::TeamSum>> teams_of_league;
extern const cache::View<std::int64_t, std::vector<sql::TeamSum>> shared_teams_of_league;
// Of all rows.
extern const cache::View<std::int64_t, sql::Sum> sum_of_all;
// By two statements, each in a snapshot of its own.
extern const cache::View<std::int64_t, Page> page_of_team;

extern const cache::Aggregate players_in, points_of, best_of, worst_of, points_ranked;

void views(cache::Views& views);

// One transaction of a few writes, by chance; some fail on purpose (invalid_argument). Gives its
// number among the commits.
Task<std::int64_t> play(Tx& tx, std::int64_t seed);

}  // namespace league
