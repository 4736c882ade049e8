// campus analytics rebuild and verify.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/runtime/event.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/analytics_commands.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/progress_bar.h"
#include "loadstone/server/server.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds look_every{200};
constexpr seconds silent_for{30};  // then no server does it
constexpr std::chrono::minutes deadline{24 * 60};
constexpr int differences_shown = 100;

struct DayLine {
    std::string day;  // "2026-01-31"
    std::int64_t told = 0, stored = 0;
};
BOOST_DESCRIBE_STRUCT(DayLine, (), (day, told, stored))

struct FactLine {
    std::string fact;
    analytics::DayTotals totals;
    std::vector<DayLine> differences;  // the first 100
};
BOOST_DESCRIBE_STRUCT(FactLine, (), (fact, totals, differences))

std::vector<std::string> tables_of(const std::vector<Module>& modules,
                                   const AnalyticsQuery& query) {
    if (!query.facts.empty()) return query.facts;
    std::vector<std::string> tables;
    for (const analytics::FactTable& table : facts_of(modules)) {
        if (table.back_fill.is_there()) tables.push_back(table.schema.fact);
    }
    return tables;
}

using Ask = Task<bool> (*)(Tx& tx, std::string fact);

Task<analytics::Work> work_of(Context& context, std::string fact) {
    const auto all = co_await analytics::all_work(context.reader());
    const auto at = std::ranges::find(all, fact, &analytics::Work::fact);
    if (at == all.end())
        throw Error(Errc::not_found, fmt::format("no work on {} has been asked", fact));
    co_return *at;
}

// Work of the same kind that is not done is gone on with.
Task<analytics::Work> begin(Context& context, Ask ask, std::string kind, std::string fact) {
    const bool is_new = co_await context.write(ask, fact);
    auto work = co_await work_of(context, fact);
    if (!is_new && work.kind != kind)
        throw Error(Errc::conflict, fmt::format("{} of {} is not done yet", work.kind, fact));
    co_return work;
}

// Until it is done, whoever does it.
Task<analytics::Work> follow(Context& context, analytics::Work work) {
    auto& progress = context.services().get<module::Progress>();
    runtime::Event never;
    auto moved_at = std::chrono::steady_clock::now();
    for (;;) {
        const auto now = co_await work_of(context, work.fact);
        if (now.changed_at != work.changed_at || now.next_key != work.next_key)
            moved_at = std::chrono::steady_clock::now();
        work = now;
        if (work.state == "done" || work.state == "failed") co_return work;
        if (work.last_key > 0)
            progress.show(work.fact, std::min(work.next_key, work.last_key), work.last_key);
        if (std::chrono::steady_clock::now() - moved_at > silent_for)
            throw Error(Errc::unavailable,
                        fmt::format("no server goes on with it: it needs one that runs and has the "
                                    "store of these facts; {} of {} keys are done, and it goes on "
                                    "from there",
                                    work.next_key, work.last_key));
        const Deadline next = Deadline::in(look_every);
        co_await never.wait(next);
    }
}

Task<std::vector<analytics::Work>> work_on(Context& context, Ask ask, std::string kind,
                                           std::vector<std::string> tables, bool waits) {
    std::vector<analytics::Work> all;
    for (const std::string& fact : tables) {
        auto work = co_await begin(context, ask, kind, fact);
        if (waits) work = co_await follow(context, work);
        if (work.state == "failed")
            throw Error(Errc::internal, fmt::format("{} of {}: {}", kind, fact, work.reason));
        all.push_back(work);
    }
    co_return all;
}

Task<std::vector<FactLine>> differences_of(Context& context, std::vector<std::string> tables) {
    std::vector<FactLine> lines;
    for (const std::string& fact : tables) {
        FactLine line;
        line.fact = fact;
        line.totals = co_await analytics::day_totals(context.reader(), fact);
        const auto days =
            co_await analytics::differing_days(context.reader(), fact, differences_shown);
        for (const analytics::DifferingDay& day : days) {
            const std::string at = to_rfc3339({day.day * 86'400'000'000}).substr(0, 10);
            line.differences.push_back({at, day.told, day.stored});
        }
        lines.push_back(std::move(line));
    }
    co_return lines;
}

std::vector<analytics::Work> work_of_servers(CommandSession& session, Ask ask,
                                             const std::string& kind,
                                             const std::vector<std::string>& tables, bool waits) {
    ProgressBar progress;
    session.show_on(progress);
    return run_blocking(session.loops(), work_on(session.context(), ask, kind, tables, waits));
}

}  // namespace

void analytics_rebuild_command(const Config& config, const std::vector<Module>& modules,
                               const AnalyticsQuery& query) {
    CommandSession session(config, modules, deadline);
    const auto tables = tables_of(modules, query);
    const auto all =
        work_of_servers(session, analytics::ask_rebuild, "rebuild", tables, !query.no_wait);
    if (query.json) {
        print(to_json(all) + "\n");
        return;
    }
    for (const analytics::Work& work : all) {
        print(query.no_wait ? fmt::format("{}: the server is asked to make it anew\n", work.fact)
                            : fmt::format("{}: {} facts\n", work.fact, work.facts));
    }
}

void analytics_verify_command(const Config& config, const std::vector<Module>& modules,
                              const AnalyticsQuery& query) {
    CommandSession session(config, modules, deadline);
    const auto tables = tables_of(modules, query);
    work_of_servers(session, analytics::ask_verify, "verify", tables, true);
    const auto lines = run_blocking(session.loops(), differences_of(session.context(), tables));
    std::int64_t differing = 0;
    for (const FactLine& line : lines) differing += line.totals.differing;
    if (query.json) {
        print(to_json(lines) + "\n");
    } else {
        for (const FactLine& line : lines) {
            print(fmt::format("{}: {} facts of {} days, the store has {}; {} days differ\n",
                              line.fact, line.totals.told, line.totals.days, line.totals.stored,
                              line.totals.differing));
            for (const DayLine& day : line.differences)
                print(fmt::format("  {}: {} facts, the store has {}{}\n", day.day, day.told,
                                  day.stored, day.told == day.stored ? ", others" : ""));
        }
    }
    if (differing > 0)
        throw Error(Errc::data_loss, fmt::format("the column store differs on {} days", differing));
}

}  // namespace loadstone::server::internal
