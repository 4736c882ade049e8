#include "polls/polls.h"

namespace polls {

using namespace loadstone;

namespace {

constexpr analytics::Query by_day{
    "polls.by_day",
    "select date_trunc('day', happened_at)::timestamp as day, count(*) as votes, "
    "count(distinct poll) as polls from votes where happened_at >= make_timestamp($1) "
    "group by 1 order by 1"};

constexpr analytics::Query choices_by_votes{
    "polls.choices_by_votes",
    "select choice, votes, last_at from choices order by votes desc, choice limit 20"};

}  // namespace

void facts(Facts& facts) {
    facts.table<Voted>("votes").rolled_up(
        "choices", Rollup({"choice"}).count("votes").max("last_at", "happened_at"));
}

Task<analytics::Answer<Day>> votes_by_day(Context& context, Timestamp since) {
    co_return co_await analytics::query<Day>(context, by_day, since.micros);
}

Task<analytics::Answer<Given>> choices_given(Context& context) {
    co_return co_await analytics::query<Given>(context, choices_by_votes);
}

}  // namespace polls
