#pragma once
// Polls, whose results everybody looks at: what docs/guides/derived_data.md shows.

#include "loadstone/base/id.h"
#include "loadstone/cache/view.h"
#include "loadstone/module/module.h"
#include "polls/facts_sql.h"
#include "polls/sql.h"

namespace polls {

struct PollTag {};
using PollId = loadstone::Id<PollTag>;

// Rows that go out as JSON, and that a view keeps.
namespace sql {
BOOST_DESCRIBE_STRUCT(Choice, (), (choice, votes))
BOOST_DESCRIBE_STRUCT(NewestPollsRow, (), (id, question))
}  // namespace sql
namespace facts_sql {
BOOST_DESCRIBE_STRUCT(Day, (), (day, votes, polls))
BOOST_DESCRIBE_STRUCT(Given, (), (choice, votes, last_at))
}  // namespace facts_sql

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

void facts(loadstone::Facts& facts);

loadstone::Module module();

}  // namespace polls
