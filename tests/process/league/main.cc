// Requests that do a few operations each, by the seed that they are given, and tell all that they
// were shown: the test computes the same from the history of the rows.

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/base/random.h"
#include "loadstone/server/application.h"
#include "tests/process/league/league.h"

namespace league {

using namespace loadstone;

struct Order {
    std::int64_t seed = 0, count = 1;
};
BOOST_DESCRIBE_STRUCT(Order, (), (seed, count))

struct Told {
    std::vector<Shown> shown;
    std::vector<std::string> failures;  // error codes
    std::int64_t last = 0;              // commit that there is when all was shown
};
BOOST_DESCRIBE_STRUCT(Told, (), (shown, failures, last))

namespace {

std::int64_t one_of(Random& random, std::int64_t count) {
    return 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
}

template <class Key, class T>
Task<void> look_at(Context& context, Told* told, std::string name, const cache::View<Key, T>* view,
                   Key key) {
    const auto answer = co_await cache::answer(context, *view, key);
    told->shown.push_back({std::move(name), *answer.json});
}

Task<void> look_at_page(Context& context, Told* told, std::int64_t team) {
    const Page page = co_await cache::value(context, page_of_team, team);
    told->shown.push_back({fmt::format("league_of {}", team), to_json(page.league)});
    told->shown.push_back({fmt::format("team {}", team), to_json(page.players)});
}

Task<void> look_at_kept(Context& context, Told* told, std::int64_t team) {
    const std::vector<const cache::Aggregate*> all{&players_in, &points_of, &best_of, &worst_of};
    const std::vector<std::int64_t> only{team};
    const cache::Figures found = co_await cache::kept(context.reader(), all, only);
    std::vector<std::optional<std::int64_t>> figures{found.of(players_in, team),
                                                     found.of(points_of, team)};
    figures.push_back(found.find(best_of, team));
    figures.push_back(found.find(worst_of, team));
    told->shown.push_back({fmt::format("kept {}", team), to_json(figures)});
}

Task<void> look_at_top(Context& context, Told* told, std::int64_t league) {
    std::vector<cache::Figure> found;
    if (league == 0)
        found = co_await cache::top(context.reader(), points_ranked, 3);
    else
        found = co_await cache::top(context.reader(), points_ranked, league, 3);
    std::vector<std::vector<std::int64_t>> places;
    for (const cache::Figure& each : found) places.push_back({each.key, each.value});
    told->shown.push_back({fmt::format("top {}", league), to_json(places)});
}

Task<void> look_at_position(Context& context, Told* told) {
    const std::int64_t position = co_await sql::last_commit(context.reader());
    told->shown.push_back({"position", to_json(position)});
}

Task<void> look(Context& context, Told* told, Random& random) {
    const auto what = random.below(20);
    const auto team = one_of(random, teams), league = one_of(random, leagues);
    if (what < 5)
        return look_at(context, told, fmt::format("team {}", team), &players_of_team, team);
    if (what < 7) {
        const auto player = one_of(random, players);
        return look_at(context, told, fmt::format("player {}", player), &places_of_player, player);
    }
    if (what < 9) {
        const std::vector<std::int64_t> some{team, team % teams + 1, (team + 2) % teams + 1};
        return look_at(context, told, fmt::format("sums {}", team), &sums_of_teams, some);
    }
    if (what < 11)
        return look_at(context, told, fmt::format("league {}", league), &teams_of_league, league);
    if (what < 12) {
        return look_at(context, told, fmt::format("league {}", league), &shared_teams_of_league,
                       league);
    }
    if (what < 14) return look_at(context, told, "all", &sum_of_all, std::int64_t{0});
    if (what < 16) return look_at_page(context, told, team);
    if (what < 18) return look_at_kept(context, told, team);
    if (what < 19) return look_at_top(context, told, random.below(2) == 0 ? 0 : league);
    return look_at_position(context, told);
}

Task<void> write(Context& context, Told* told, std::int64_t seed) {
    const std::int64_t tx = co_await context.write(play, seed);
    told->shown.push_back({"wrote", to_json(tx)});
}

// Of no position of its session's: it does not learn what it was not shown.
Task<std::int64_t> last_of_all(Context& context) {
    const auto seen = context.reading().position();
    const std::int64_t last = co_await sql::last_commit(context.reader(latest));
    context.reading().replace(seen);
    co_return last;
}

// `percent` of the operations are transactions.
Task<Told> operate(Context& context, Order order, std::uint64_t percent) {
    Random random(static_cast<std::uint64_t>(order.seed));
    Told told;
    for (std::int64_t i = 0; i < order.count; ++i) {
        const bool writes = random.below(100) < percent;
        const auto seed = static_cast<std::int64_t>(random.next() >> 1);
        Random choices(static_cast<std::uint64_t>(seed));
        try {
            if (writes)
                co_await write(context, &told, seed);
            else
                co_await look(context, &told, choices);
        } catch (const Error& error) {
            told.failures.emplace_back(to_string(error.code()));
        }
    }
    told.last = co_await last_of_all(context);
    co_return told;
}

Task<Reply<Told>> get_looks(Context& context, Parameters<Order> order) {
    Reply<Told> reply;
    reply.body = co_await operate(context, *order, 0);
    co_return reply;
}

Task<Reply<Told>> post_plays(Context& context, Body<Order> order) {
    Reply<Told> reply;
    reply.body = co_await operate(context, *order, 70);
    co_return reply;
}

void routes(Routes& routes) {
    constexpr std::chrono::seconds long_enough(20);
    routes.get("/looks", get_looks).open_to_all().within(long_enough);
    routes.post("/plays", post_plays).open_to_all().within(long_enough);
}

}  // namespace

}  // namespace league

int main(int argc, char** argv) {
    loadstone::server::Application application("league", "Derived data, for its test");
    application.add({.name = "league",
                     .migrations = league::sql::migrations,
                     .routes = league::routes,
                     .views = league::views});
    return application.run(argc, argv);
}
