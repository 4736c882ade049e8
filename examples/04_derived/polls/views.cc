#include "polls/polls.h"
#include "polls/sql_accesses.h"

namespace polls {

using namespace loadstone;

namespace {

Task<std::vector<sql::Choice>> count_choices(Reader reader, PollId poll) {
    return sql::choices_of_poll(reader, poll);
}

Task<std::vector<cache::Figure>> count_votes(Reader reader, cache::KeyRange keys) {
    const auto rows =
        co_await sql::votes_by_poll(reader, PollId(keys.first), PollId(keys.last), keys.keys_max);
    co_return cache::figures_of(rows);
}

}  // namespace

const cache::View<PollId, std::vector<sql::Choice>> choices_of_poll{
    .name = "polls.choices",
    .compute = count_choices,
    .reads = {{"votes", "poll_id"}},
};

const cache::Aggregate votes_of_poll{.name = "polls.votes", .recompute = count_votes};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(choices_of_poll);
    views.add(votes_of_poll);
}

}  // namespace polls
