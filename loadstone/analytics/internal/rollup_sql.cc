#include "loadstone/analytics/internal/rollup_sql.h"

#include <fmt/format.h>

namespace loadstone::analytics::internal {

namespace {

using Kind = RollupColumn::Kind;

std::string call_of(const RollupColumn& column) {
    const std::string member = column.member.empty() ? "*" : quoted(column.member);
    switch (column.kind) {
        case Kind::count: return "count(*)";
        case Kind::sum: return fmt::format("sum({})", member);
        case Kind::min: return fmt::format("min({})", member);
        case Kind::max: return fmt::format("max({})", member);
    }
    return "";
}

}  // namespace

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string key_list(const Rollup& rollup) {
    std::string list;
    for (const std::string& key : rollup.keys()) list += (list.empty() ? "" : ", ") + quoted(key);
    return list;
}

std::string grouped(const Rollup& rollup, const std::string& from) {
    std::string list = key_list(rollup);
    for (const RollupColumn& column : rollup.columns()) {
        list += ", " + call_of(column);
        // A word has no quote in it.
        if (!column.of.member.empty())
            list += fmt::format(" FILTER (WHERE {} {} '{}')", quoted(column.of.member),
                                column.of.is_not ? "<>" : "=", column.of.equals);
        list += " AS " + quoted(column.name);
    }
    return fmt::format("SELECT {} FROM {} GROUP BY {}", list, from, key_list(rollup));
}

std::string differences(const std::string& name, const Rollup& rollup, const std::string& fact,
                        const std::string& key) {
    const std::string range = fmt::format("WHERE {0} >= $1 AND {0} < $2", quoted(key));
    return fmt::format(
        "WITH kept AS (SELECT * FROM {} {}), made AS ({}) SELECT (SELECT count(*) FROM (SELECT * "
        "FROM kept EXCEPT ALL SELECT * FROM made)) + (SELECT count(*) FROM (SELECT * FROM made "
        "EXCEPT ALL SELECT * FROM kept)) AS differing",
        quoted(name), range, grouped(rollup, fmt::format("{} {}", quoted(fact), range)));
}

}  // namespace loadstone::analytics::internal
