#include "loadstone/analytics/work.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/runtime/context.h"

namespace loadstone::analytics {

namespace {

void require_back_fill(const Tx& tx, const std::string& fact) {
    const auto& tables = tx.context().services().get<Recorder>().tables();
    const auto at = std::ranges::find_if(
        tables, [&](const FactTable& table) { return table.schema.fact == fact; });
    if (at == tables.end())
        throw Error(Errc::invalid_argument, fmt::format("there is no table of facts {}", fact));
    if (!at->back_fill.is_there())
        throw Error(Errc::invalid_argument,
                    fmt::format("{} cannot be told from tables: module {} declares no back-fill",
                                fact, at->module));
}

Task<bool> ask(Tx& tx, std::string fact, std::string kind) {
    require_back_fill(tx, fact);
    const Timestamp now = Timestamp::now();
    const auto asked = co_await tx.exec(sql::ask_work, fact, kind, now);
    if (asked == 0) co_return false;
    co_await tx.exec(sql::forget_days, fact);
    co_return true;
}

}  // namespace

Task<bool> ask_rebuild(Tx& tx, std::string fact) { return ask(tx, std::move(fact), "rebuild"); }

Task<bool> ask_verify(Tx& tx, std::string fact) { return ask(tx, std::move(fact), "verify"); }

Task<void> rebuild_all(Tx& tx) {
    const Timestamp now = Timestamp::now();
    for (const FactTable& table : tx.context().services().get<Recorder>().tables()) {
        if (!table.back_fill.is_there()) continue;
        co_await tx.exec(sql::drop_work, table.schema.fact, now);
        co_await ask(tx, table.schema.fact, "rebuild");
    }
}

Task<std::vector<Work>> all_work(Reader reader) {
    co_return co_await reader.many<Work>(sql::all_work);
}

Task<DayTotals> day_totals(Reader reader, std::string fact) {
    co_return co_await reader.one<DayTotals>(sql::day_totals, fact);
}

Task<std::vector<DifferingDay>> differing_days(Reader reader, std::string fact, int limit) {
    co_return co_await reader.many<DifferingDay>(sql::differing_days, fact, limit);
}

}  // namespace loadstone::analytics
