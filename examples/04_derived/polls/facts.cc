#include "polls/polls.h"

namespace polls {

using namespace loadstone;

namespace {

constexpr analytics::Query by_day{
    "polls.by_day",
    "select date_trunc('day', happened_at)::timestamp as day, count(*) as votes, "
    "count(distinct poll) as polls from votes where happened_at >= make_timestamp($1) "
    "group by 1 order by 1"};

}  // namespace

void facts(Facts& facts) { facts.table<Voted>("votes"); }

Task<analytics::Answer<Day>> votes_by_day(Context& context, Timestamp since) {
    co_return co_await analytics::query<Day>(context, by_day, since.micros);
}

}  // namespace polls
