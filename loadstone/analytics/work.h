#pragma once
// What is asked of the feed beside carrying: to make a table of facts anew from its module's tables
// (rebuild), or to compare the two (verify). A row for each table says how far it is, so a process
// that is killed is gone on from, by whichever server has the store; a range of keys at a time,
// between two batches (back_fill.h).

#include <optional>
#include <string>
#include <vector>

#include "loadstone/analytics/facts.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/store/reader.h"
#include "loadstone/store/tx.h"

namespace loadstone::analytics {

struct Work {
    std::string fact;
    std::string kind;      // rebuild, verify
    std::int64_t run = 0;  // which one of its table
    std::string state;     // waiting, running, done, failed
    std::int64_t next_key = 0, last_key = 0;
    std::int64_t facts = 0;  // that the tables have told
    std::string reason;      // of failed
    Timestamp changed_at;
};
BOOST_DESCRIBE_STRUCT(Work, (),
                      (fact, kind, run, state, next_key, last_key, facts, reason, changed_at))

// Of verify: facts as the tables tell them and as the store has them.
struct DayTotals {
    std::int64_t days = 0, told = 0, stored = 0;
    std::int64_t differing = 0;  // days that differ in number or checksum
};
BOOST_DESCRIBE_STRUCT(DayTotals, (), (days, told, stored, differing))
struct DifferingDay {
    std::int64_t day = 0;  // since 1970-01-01, UTC, of the fact's first time
    std::int64_t told = 0, stored = 0;
};
BOOST_DESCRIBE_STRUCT(DifferingDay, (), (day, told, stored))

// False: other work on the table is not done yet. Errors: invalid_argument for a table that is not
// declared, or has no back-fill.
Task<bool> ask_rebuild(Tx& tx, std::string fact);
Task<bool> ask_verify(Tx& tx, std::string fact);
// For who has written to the tables without facts, in the same transaction or after: all tables
// with a back-fill are made anew, from their beginning.
Task<void> rebuild_all(Tx& tx);

// A row for each table of which any was ever asked.
Task<std::vector<Work>> all_work(Reader reader);
Task<DayTotals> day_totals(Reader reader, std::string fact);
Task<std::vector<DifferingDay>> differing_days(Reader reader, std::string fact, int limit);

}  // namespace loadstone::analytics
