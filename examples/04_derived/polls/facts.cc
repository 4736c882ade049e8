#include "polls/polls.h"

namespace polls {

using namespace loadstone;

void facts(Facts& facts) {
    facts.table<Voted>("votes").rolled_up(
        "choices", Rollup({"choice"}).count("votes").max("last_at", "happened_at"));
    facts.asked(facts_sql::tables);
}

}  // namespace polls
