#pragma once
// Rollup: the facts of a table grouped by some of their members, kept by the store as it takes
// facts. For what a question would else group anew from all facts each time: a line for each
// learner of a course is a seventh of what they did.
//
//     facts.table<Activity>("learning_activity")
//         .rolled_up("learning_progress", Rollup({"course", "learner"})
//                                             .max("last_active", "happened_at")
//                                             .count("lessons", {"kind", "lesson_completed"}));
//
//     select count(*) from learning_progress where course = $1 and lessons > 0
//
// A question selects from it by its name, as from a table of facts, and finds at any time what the
// same grouping of the facts gives: both change in one transaction (ADR 27). One that is declared
// later, or otherwise than before, is made anew from the facts that the store has; one that is not
// declared any more is dropped. So its columns are those alone of which two parts make the whole:
// counts, sums, the least and the greatest.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/analytics/columns.h"

namespace loadstone::analytics {

// Of the facts whose `member`, a text, is `equals`: a word, or several joined by "-", "_", "." or
// "/". Empty: of all facts. A text that is null is no
// word, and is not something else.
struct FactsWith {
    std::string member{};
    std::string equals{};
    bool is_not = false;  // of those whose member is something else

    bool operator==(const FactsWith&) const = default;
};

inline FactsWith facts_without(std::string member, std::string equals) {
    return {std::move(member), std::move(equals), true};
}

struct RollupColumn {
    enum class Kind : char { count = 'c', sum = 's', min = 'l', max = 'g' };

    std::string name;
    Kind kind = Kind::count;
    std::string member{};  // empty for a count
    FactsWith of{};

    bool operator==(const RollupColumn&) const = default;
};

class Rollup {
public:
    // A row for each value that these members have together. One that is null is a value, too.
    explicit Rollup(std::vector<std::string> keys) : keys_(std::move(keys)) {}

    // Columns, whose names are none of the fact's members. A sum is of integers, and null if there
    // were none, as the least and the greatest; those are of integers, reals or Timestamps.
    Rollup& count(std::string name, FactsWith of = {});
    Rollup& sum(std::string name, std::string member, FactsWith of = {});
    Rollup& min(std::string name, std::string member, FactsWith of = {});
    Rollup& max(std::string name, std::string member, FactsWith of = {});

    const std::vector<std::string>& keys() const noexcept { return keys_; }
    const std::vector<RollupColumn>& columns() const noexcept { return columns_; }

    // That a table of this form can be grouped so. Errors: invalid_argument.
    void require_valid(std::string_view name, const Schema& schema) const;

    // Its columns, of a table of this form: the keys, then the others.
    std::vector<Column> shape(const Schema& schema) const;

    bool operator==(const Rollup&) const = default;

private:
    std::vector<std::string> keys_;
    std::vector<RollupColumn> columns_;
};

// "course,learner last_active=g:happened_at:kind:!left lessons=c::kind:lesson_completed", and back:
// what the store keeps of a declaration. Errors: data_loss.
std::string to_text(const Rollup& rollup);
Rollup rollup_from(std::string_view text);

}  // namespace loadstone::analytics

namespace loadstone {
using analytics::Rollup;
}
