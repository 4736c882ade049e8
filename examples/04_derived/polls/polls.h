#pragma once
// Polls, whose results everybody looks at: what docs/guides/derived_data.md shows.

#include "loadstone/base/id.h"
#include "loadstone/cache/view.h"
#include "loadstone/module/module.h"
#include "polls/sql.h"

namespace polls {

struct PollTag {};
using PollId = loadstone::Id<PollTag>;

// Rows that go out as JSON, and that a view keeps.
namespace sql {
BOOST_DESCRIBE_STRUCT(Choice, (), (choice, votes))
BOOST_DESCRIBE_STRUCT(NewestPollsRow, (), (id, question))
}  // namespace sql

// views.cc
extern const loadstone::cache::View<PollId, std::vector<sql::Choice>> choices_of_poll;
extern const loadstone::cache::Aggregate votes_of_poll;
void views(loadstone::Views& views);

// facts.cc
struct Voted {
    loadstone::Timestamp happened_at;
    PollId poll;
    std::string choice;
};
BOOST_DESCRIBE_STRUCT(Voted, (), (happened_at, poll, choice))

struct Day {
    loadstone::Timestamp day;
    std::int64_t votes = 0, polls = 0;
};
BOOST_DESCRIBE_STRUCT(Day, (), (day, votes, polls))

struct Given {
    std::string choice;
    std::int64_t votes = 0;
    loadstone::Timestamp last_at;
};
BOOST_DESCRIBE_STRUCT(Given, (), (choice, votes, last_at))

void facts(loadstone::Facts& facts);
// Since `since`, those with votes, oldest first.
loadstone::Task<loadstone::analytics::Answer<Day>> votes_by_day(loadstone::Context& context,
                                                                loadstone::Timestamp since);

// In all polls, 20 at most, those with most votes first.
loadstone::Task<loadstone::analytics::Answer<Given>> choices_given(loadstone::Context& context);

loadstone::Module module();

}  // namespace polls
