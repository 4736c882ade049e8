#include "polls/polls.h"

#include "loadstone/base/error.h"

namespace polls {

using namespace loadstone;

struct NewPoll {
    std::string question;
};
BOOST_DESCRIBE_STRUCT(NewPoll, (), (question))

struct Added {
    PollId id;
};
BOOST_DESCRIBE_STRUCT(Added, (), (id))

struct Vote {
    std::string voter, choice;
};
BOOST_DESCRIBE_STRUCT(Vote, (), (voter, choice))

struct Poll {
    PollId id;
    std::string question;
    std::int64_t votes = 0;
};
BOOST_DESCRIBE_STRUCT(Poll, (), (id, question, votes))

struct Polls {
    std::vector<Poll> polls;
};
BOOST_DESCRIBE_STRUCT(Polls, (), (polls))

struct Days {
    std::vector<facts_sql::Day> days;
    Timestamp as_of;  // what was committed later is not counted yet
};
BOOST_DESCRIBE_STRUCT(Days, (), (days, as_of))

struct Choices {
    std::vector<facts_sql::Given> choices;
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(Choices, (), (choices, as_of))

// ---- writes ----

Task<PollId> add_poll(Tx& tx, NewPoll poll) {
    co_return co_await sql::insert_poll(tx, poll.question);
}

Task<void> cast_vote(Tx& tx, PollId poll, Vote vote) {
    const auto inserted = co_await sql::insert_vote(tx, poll, vote.voter, vote.choice);
    if (inserted == 0) throw Error(Errc::already_exists, "this voter has voted");
    cache::add(tx, votes_of_poll, poll, +1);
    const Voted fact{Timestamp::now(), poll, vote.choice};
    co_await analytics::record(tx, fact);
}

// ---- requests ----

Task<Reply<Added, 201>> post_poll(Context& context, Body<NewPoll> poll) {
    Reply<Added, 201> reply;
    reply.body.id = co_await context.write(add_poll, *poll);
    co_return reply;
}

Task<Response> post_vote(Context& context, Path<PollId> poll, Body<Vote> vote) {
    co_await context.write(cast_vote, poll.value, *vote);
    co_return net::no_content();
}

Task<Response> show_choices(Context& context, Path<PollId> poll) {
    const auto answer = co_await cache::answer(context, choices_of_poll, poll.value);
    Response response;
    response.body = *answer.json;
    response.set_header("ETag", answer.etag);
    co_return response;
}

Task<Reply<Polls>> show_polls(Context& context) {
    Reader reader = context.reader();
    const auto newest = co_await sql::newest_polls(reader);
    std::vector<PollId> ids;
    for (const auto& poll : newest) ids.push_back(poll.id);
    const std::vector<const cache::Aggregate*> aggregates{&votes_of_poll};
    const auto figures = co_await cache::kept(reader, aggregates, ids);
    Reply<Polls> reply;
    for (const auto& poll : newest)
        reply.body.polls.push_back({poll.id, poll.question, figures.of(votes_of_poll, poll.id)});
    co_return reply;
}

Task<Reply<Days>> show_days(Context& context) {
    const Timestamp since = Timestamp::now() - std::chrono::hours(30 * 24);
    auto found = co_await facts_sql::votes_by_day(context, since);
    Reply<Days> reply;
    reply.body.days = std::move(found.rows);
    reply.body.as_of = found.as_of;
    co_return reply;
}

Task<Reply<Choices>> show_given(Context& context) {
    auto found = co_await facts_sql::choices_by_votes(context);
    Reply<Choices> reply;
    reply.body.choices = std::move(found.rows);
    reply.body.as_of = found.as_of;
    co_return reply;
}

void routes(Routes& routes) {
    routes.post("/polls", post_poll).open_to_all();
    routes.post("/polls/{poll}/votes", post_vote).open_to_all().may_answer(409);
    routes.get("/polls/{poll}", show_choices).open_to_all().revalidated();
    routes.get("/polls", show_polls).open_to_all();
    routes.get("/days", show_days).open_to_all().heavy_on_reads();
    routes.get("/choices", show_given).open_to_all().heavy_on_reads();
}

Module module() {
    return {.name = "polls",
            .migrations = sql::migrations,
            .routes = routes,
            .views = views,
            .facts = facts};
}

}  // namespace polls
