// Every statement of Campus, on SQLite and on PostgreSQL: the same calls in the same order give the
// same. Calls and arguments are drawn by seed; LOADSTONE_SEED replays one.
#include <algorithm>
#include <cstdlib>
#include <set>
#include <span>
#include <sstream>

#include "campus/accounts/accounts.h"
#include "campus/accounts/sql_all.h"
#include "campus/audit/audit.h"
#include "campus/audit/sql_all.h"
#include "campus/courses/courses.h"
#include "campus/courses/sql_all.h"
#include "campus/discussions/discussions.h"
#include "campus/discussions/sql_all.h"
#include "campus/integrations/page.h"
#include "campus/integrations/sql_all.h"
#include "campus/learning/activity.h"
#include "campus/learning/commands.h"
#include "campus/learning/facts.h"
#include "campus/learning/grade.h"
#include "campus/learning/pings.h"
#include "campus/learning/slices.h"
#include "campus/learning/sql_all.h"
#include "campus/learning/views.h"
#include "campus/notifications/sql_all.h"
#include "campus/organisations/organisations.h"
#include "campus/organisations/sql_all.h"
#include "campus/reports/sql_all.h"
#include "tests/conformance/campus/calls.h"

namespace tests::conformance {
namespace {

using loadstone::Context;
using loadstone::Task;
using loadstone::Tx;

constexpr std::uint64_t episodes = 3;  // of each module, each on new databases
constexpr std::uint64_t episodes_max = 40;
constexpr std::size_t calls_of_each = 10;

// In no order, as their files say.
const std::set<std::string> unordered{"learning.activity_of_courses", "learning.progress_of_course",
                                      "learning.slices_of_run"};

// A module's statements name only its own tables, so it is tested by itself.
struct Tested {
    loadstone::store::ModuleMigrations migrations;
    std::vector<Function> functions;
};

template <class List>
Tested tested(std::string module, std::span<const loadstone::store::Migration> steps, List list) {
    Functions functions(module);
    list(functions);
    return {{std::move(module), steps}, std::move(functions.all)};
}

std::vector<Tested> all_modules() {
    using namespace campus;
    return {
        tested("accounts", accounts::sql::migrations,
               [](auto& visit) { accounts::sql::each_function(visit); }),
        tested("audit", audit::sql::migrations,
               [](auto& visit) { audit::sql::each_function(visit); }),
        tested("courses", courses::sql::migrations,
               [](auto& visit) { courses::sql::each_function(visit); }),
        tested("discussions", discussions::sql::migrations,
               [](auto& visit) { discussions::sql::each_function(visit); }),
        tested("integrations", integrations::sql::migrations,
               [](auto& visit) { integrations::sql::each_function(visit); }),
        tested("learning", learning::sql::migrations,
               [](auto& visit) { learning::sql::each_function(visit); }),
        tested("notifications", notifications::sql::migrations,
               [](auto& visit) { notifications::sql::each_function(visit); }),
        tested("organisations", organisations::sql::migrations,
               [](auto& visit) { organisations::sql::each_function(visit); }),
        tested("reports", reports::sql::migrations,
               [](auto& visit) { reports::sql::each_function(visit); }),
    };
}

class Side {
public:
    Side(Backend backend, const loadstone::store::ModuleMigrations& module)
        : database_(backend), options_(test_options(database_.url())) {
        const std::vector<loadstone::store::ModuleMigrations> modules{
            loadstone::store::store_migrations(), module};
        loadstone::store::migrate(options_, modules);
        store_.emplace(options_);
    }
    TestStore& store() { return *store_; }

private:
    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
};

struct Sequence {
    std::string name;
    std::int64_t seq = 0;
};
BOOST_DESCRIBE_STRUCT(Sequence, (), (name, seq))

// SQLite keeps the last ids in a table that it makes with the first one that has such ids.
const loadstone::store::Query count_numbered{
    .name = "count_numbered",
    .sqlite = "select count(*) from sqlite_schema where name = 'sqlite_sequence'",
    .postgres = "select 0::bigint"};
const loadstone::store::Query read_sequences{
    .name = "sequences",
    .sqlite =
        "select t.name, coalesce(s.seq, 0) as seq from sqlite_schema as t "
        "left join sqlite_sequence as s on s.name = t.name "
        "where t.type = 'table' and t.sql like '% autoincrement%'",
    .postgres = "select 'none' as name, 0::bigint as seq"};
const loadstone::store::Command set_sequence{
    .name = "set_sequence",
    .sqlite = "select ?1, ?2",
    .postgres = "select setval(format('%s_id_seq', $1::text)::regclass, greatest($2, 1), $2 > 0)",
    .parameters = 2};

Task<std::int64_t> numbered_tables(Context& context) {
    loadstone::Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(count_numbered);
}
Task<std::vector<Sequence>> sequences(Context& context) {
    loadstone::Reader reader = context.reader();
    co_return co_await reader.many<Sequence>(read_sequences);
}
Task<void> set_all(Tx& tx, std::vector<Sequence> all) {
    for (const Sequence& each : all) co_await tx.exec(set_sequence, each.name, each.seq);
}
Task<void> set_sequences(Context& context, std::vector<Sequence> all) {
    const loadstone::store::TxBody body = [&](Tx& tx) { return set_all(tx, all); };
    co_await context.services().get<loadstone::store::Database>().transact(context, body);
}

// An insert that fails, or meets a row that is there, uses up an id on PostgreSQL and none on
// SQLite.
void align_ids(Side& sqlite, Side& postgres) {
    if (sqlite.store().run(numbered_tables) == 0) return;
    const auto last = sqlite.store().run(sequences);
    postgres.store().run(set_sequences, last);
}

std::vector<std::string> sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::ranges::sort(lines);
    return lines;
}

class CampusStatements : public ::testing::Test {
protected:
    // One of them; where it `seeks`, each second one of those that have found nothing yet.
    const Function& drawn(Arguments& arguments, const std::vector<Function>& functions,
                          bool seeks) const {
        std::vector<const Function*> wanted;
        for (const Function& function : functions) {
            if (seeks && !found_.contains(function.name)) wanted.push_back(&function);
        }
        if (wanted.empty() || arguments.below(2) == 0)
            return functions[arguments.below(functions.size())];
        return *wanted[arguments.below(wanted.size())];
    }

    void run_episode(std::uint64_t seed, const Tested& module, bool seeks) {
        SCOPED_TRACE("LOADSTONE_SEED=" + std::to_string(seed));
        Side sqlite(Backend::sqlite, module.migrations);
        Side postgres(Backend::postgres, module.migrations);
        Arguments arguments(seed);
        const std::vector<Function>& functions = module.functions;
        const std::size_t calls = functions.size() * calls_of_each;
        for (std::size_t step = 0; step < calls; ++step) {
            const Function& function = drawn(arguments, functions, seeks);
            const Call call = function.call(arguments);
            const Given one = run(sqlite.store(), call);
            const Given other = run(postgres.store(), call);
            if (unordered.contains(function.name)) {
                ASSERT_EQ(sorted_lines(one.text), sorted_lines(other.text)) << function.name;
            } else {
                ASSERT_EQ(one.text, other.text) << "step " << step << ": " << function.name;
            }
            if (one.is_found) found_.insert(function.name);
            if (function.writes) align_ids(sqlite, postgres);
        }
    }

    std::set<std::string> found_;
};

}  // namespace

TEST_F(CampusStatements, GiveTheSameOnBothDatabases) {
    const char* replayed = std::getenv("LOADSTONE_SEED");
    const std::uint64_t first = replayed == nullptr ? 1 : std::stoull(replayed);
    std::size_t functions = 0;
    for (const Tested& module : all_modules()) {
        functions += module.functions.size();
        // More of them where some statement has found nothing yet: what it wants is rare.
        const auto has_found_all = [&] {
            return std::ranges::all_of(module.functions, [&](const Function& function) {
                return found_.contains(function.name);
            });
        };
        for (std::uint64_t seed = first; seed < first + episodes_max; ++seed) {
            if (seed >= first + episodes && has_found_all()) break;
            run_episode(seed, module, seed >= first + episodes);
            if (HasFatalFailure()) return;
        }
        for (const Function& function : module.functions)
            EXPECT_TRUE(found_.contains(function.name)) << function.name << " never found anything";
    }
    EXPECT_GT(functions, 80U);
}

}  // namespace tests::conformance
