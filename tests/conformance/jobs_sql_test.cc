// loadstone.enqueue of PostgreSQL: what it writes is what C++ writes, byte by byte.

#include "tests/conformance/jobs_sql.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <thread>

#include "loadstone/base/random.h"
#include "loadstone/jobs/declaration.h"

namespace tests::conformance {
namespace {

using loadstone::Random;
namespace kinds = sql_kinds;

// Texts that keys could stumble over: of signs that are escaped, of any number of bytes, and just
// about as long as a key may be.
std::string any_text(Random& random) {
    static const std::vector<std::string> pieces{"a",
                                                 "B",
                                                 "7",
                                                 " ",
                                                 "|",
                                                 "%",
                                                 ":",
                                                 "#",
                                                 "/",
                                                 "\"",
                                                 "\\",
                                                 "\n",
                                                 "\xc3\xa4",
                                                 "%7C",
                                                 "%25",
                                                 "\x01",
                                                 "'",
                                                 "$1",
                                                 "{",
                                                 "}",
                                                 "\xe4\xb8\xad",
                                                 "\xf0\x9f\x8e\x93",
                                                 "\xc2\xa0",
                                                 "\x7f"};
    std::size_t bytes = 0;
    switch (random.below(4)) {
        case 0: bytes = random.below(4); break;
        case 1: bytes = random.below(40); break;
        case 2: bytes = 195 + random.below(12); break;
        default: bytes = random.below(700); break;
    }
    const bool is_uniform = random.below(3) == 0;  // then the cut is within a character
    const std::size_t only = random.below(pieces.size());
    std::string text;
    while (text.size() < bytes) text += pieces[is_uniform ? only : random.below(pieces.size())];
    return text;
}

double any_real(Random& random) {
    switch (random.below(4)) {
        case 0: return static_cast<double>(random.below(2'000)) / 8 - 100;
        case 1: return std::ldexp(1.0, static_cast<int>(random.below(140)) - 70);
        case 2: return static_cast<double>(random.next());
        default: break;
    }
    const auto value = std::bit_cast<double>(random.next());
    return std::isfinite(value) ? value : 0.5;
}

kinds::Everything everything(Random& random) {
    kinds::Everything all;
    all.yes = random.below(2) == 0;
    all.small = static_cast<std::int8_t>(random.next());
    all.large = random.next();
    all.id.value = static_cast<std::int64_t>(random.next());
    all.real = any_real(random);
    all.single = static_cast<float>(all.real);
    // jsonb has no negative zero.
    if (!std::isfinite(all.single) || all.single == 0) all.single = 0;
    if (all.real == 0) all.real = 0;
    if (random.below(2) == 0) all.text = any_text(random);
    if (random.below(2) == 0) all.part = kinds::Part{any_text(random), {1, -2}};
    for (std::size_t i = random.below(4); i > 0; --i) all.parts.push_back({any_text(random), {}});
    for (std::size_t i = random.below(90); i > 0; --i) all.raw.push_back(std::byte(random.next()));
    all.at.micros = static_cast<std::int64_t>(random.below(4'000'000'000'000'000));
    return all;
}

class JobsSqlRows : public JobsSql {
protected:
    template <class Arguments>
    void expect_same(const Arguments& arguments, std::int64_t delay_ms = 0) {
        const std::string& kind = jobs::internal::kind<Arguments>();
        const auto rows = node().write(both_rows, kind, loadstone::to_json(arguments), delay_ms);
        ASSERT_EQ(rows.size(), 2U);
        EXPECT_NE(rows[0], "");
        EXPECT_EQ(rows[0], rows[1]) << kind;
    }
};

TEST_F(JobsSqlRows, AreThoseOfCppForEachFeature) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        const std::string a = any_text(random);
        const std::string b = any_text(random);
        const auto number = static_cast<std::int64_t>(random.next());
        const auto delay = static_cast<std::int64_t>(random.below(3) * random.below(100'000));
        expect_same(kinds::Plain{a}, delay);
        expect_same(kinds::Keyed{a, b, number}, delay);
        expect_same(kinds::LimitedOnly{number % 2 == 0, {a}});
        expect_same(kinds::UniqueSome{a, number, b}, delay);
        expect_same(kinds::UniqueAll{a, number});
        expect_same(kinds::UniqueFor{a}, delay);
        expect_same(kinds::UniqueWaits{a}, delay);
        expect_same(kinds::Merged{a}, delay);
        expect_same(kinds::Fleeting{a}, delay);
        expect_same(kinds::Versioned{a}, delay);
        expect_same(kinds::Postponed{1}, delay);
        expect_same(everything(random), delay);
        if (HasFailure()) break;
    }
}

TEST_F(JobsSqlRows, OfWhatIsNotGivenAreTheDefaultsOfCpp) {
    const auto rows = node().write(rows_of, std::string("sql_kinds.Everything"), std::string("{}"));
    kinds::Everything all;
    EXPECT_EQ(rows.at(0), loadstone::to_json(all));
    const auto some = node().write(rows_of, std::string("sql_kinds.Everything"),
                                   std::string(R"({"part":{"name":"x"},"parts":[{}],"small":-3})"));
    all.small = -3;
    all.part.emplace().name = "x";
    all.parts.emplace_back();
    EXPECT_EQ(some.at(0), loadstone::to_json(all));
}

TEST_F(JobsSqlRows, AUniqueKeyIsOneInBothLanguages) {
    const kinds::UniqueSome arguments{"k|%", 7, "text"};
    const std::string& kind = jobs::internal::kind<kinds::UniqueSome>();
    const std::string json = loadstone::to_json(arguments);
    const std::int64_t id = node().write(enqueue_in<kinds::UniqueSome>, arguments);
    EXPECT_EQ(enqueue(kind, json), id);
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "1");
    psql("delete from loadstone_ready; delete from loadstone_unique");
    const std::int64_t next = enqueue(kind, json);
    EXPECT_NE(next, id);
    EXPECT_EQ(node().write(enqueue_in<kinds::UniqueSome>, arguments), next);
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "1");
}

TEST_F(JobsSqlRows, AUniqueKeyOfATimeIsFreeAfterIt) {
    const std::string kind = "sql_kinds.UniqueFor";
    const std::int64_t id = enqueue(kind, R"({"key":"k"})");
    EXPECT_EQ(enqueue(kind, R"({"key":"k"})"), id);
    EXPECT_EQ(psql("select until - enqueued_at from loadstone_unique join loadstone_ready on "
                   "seq = loadstone_unique.job"),
              "3600000000");
    psql("update loadstone_unique set until = 1");
    const std::int64_t next = enqueue(kind, R"({"key":"k"})");
    EXPECT_NE(next, id);
    EXPECT_EQ(psql("select job from loadstone_unique"), std::to_string(next));
}

TEST_F(JobsSqlRows, AFullQueueRejectsOrDelays) {
    for (int i = 0; i < 4; ++i) EXPECT_GT(enqueue("test_kinds.Bounded", "{}"), 0);
    EXPECT_EQ(failure("test_kinds.Bounded", "{}"),
              "53400 queue bounded holds more than 3 ready jobs");
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "4");
    for (int i = 0; i < 6; ++i) enqueue("test_kinds.Postponed", "{}");
    EXPECT_EQ(psql("select count(*) from loadstone_ready where queue = 'postponed'"), "4");
    EXPECT_EQ(psql("select distinct run_at - enqueued_at from loadstone_scheduled"), "3600000000");
}

TEST_F(JobsSqlRows, AFullQueueMerges) {
    const std::string kind = "sql_kinds.Merged";
    for (int i = 0; i < 4; ++i) enqueue(kind, R"({"key":"k"})");
    const auto first = enqueue(kind, R"({"key":"k"})");
    EXPECT_EQ(enqueue(kind, R"({"key":"k"})"), first);
    EXPECT_NE(enqueue(kind, R"({"key":"l"})"), first);
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "6");
    EXPECT_EQ(psql("select count(*) from loadstone_unique"), "2");
}

TEST_F(JobsSqlRows, AKeyThatIsTakenWhileItsJobWaitsIsLockedByWhoMerges) {
    const auto id = enqueue("sql_kinds.UniqueWaits", R"({"key":"k"})");
    EXPECT_EQ(psql("begin; select loadstone.enqueue('sql_kinds.UniqueWaits', '{\"key\":\"k\"}'); "
                   "select xmax <> 0 from loadstone_unique; commit"),
              std::to_string(id) + "\nt");
}

TEST_F(JobsSqlRows, BeginAtATimeThatIsNamed) {
    EXPECT_EQ(psql("with enqueued as materialized (select loadstone.enqueue('test_kinds.Fleeting', "
                   "'{}', jsonb_build_object('run_at', statement_timestamp() + interval '1 hour', "
                   "'cause', 'psql')) as id) select count(*) from enqueued"),
              "1");
    EXPECT_EQ(psql("select run_at - enqueued_at, cause, extra::json ->> 'expires_after' from "
                   "loadstone_scheduled"),
              "3600000000|psql|3600100000");
    enqueue("sql_kinds.Plain", R"({"text":"now"})", R"({"run_at":"2001-01-01T00:00:00Z"})");
    EXPECT_EQ(psql("select cause from loadstone_ready"), "sql");
}

TEST_F(JobsSqlRows, ForAnOlderVersionKeepTheirArguments) {
    enqueue("sql_kinds.Versioned", R"({"was":1})", R"({"version":1})");
    EXPECT_EQ(psql("select arguments, extra from loadstone_ready"), "{\"was\": 1}|");
    EXPECT_EQ(failure("sql_kinds.Versioned", "{}", R"({"version":3})"),
              "22023 version 3 of the arguments of sql_kinds.Versioned: versions 1 to 2 are known");
}

TEST_F(JobsSqlRows, AreGoneWithTheirTransaction) {
    psql(
        "begin; select loadstone.enqueue('sql_kinds.UniqueSome', '{\"key\":\"a\"}'); "
        "select loadstone.enqueue('sql_kinds.Plain', '{}', '{\"delay_ms\": 1000}'); rollback");
    for (const char* table : {"loadstone_ready", "loadstone_scheduled", "loadstone_unique"})
        EXPECT_EQ(psql(std::string("select count(*) from ") + table), "0") << table;
}

TEST_F(JobsSqlRows, OfAKindThatNobodyKnowsWaitIfTheyMay) {
    EXPECT_EQ(failure("sql_kinds.plain", "{}"),
              "42704 no process has declared the job kind sql_kinds.plain");
    EXPECT_EQ(psql("select loadstone.unknown_kind('sql_kinds.Versione')"),
              "Is it sql_kinds.Versioned?");
    EXPECT_EQ(psql("select loadstone.unknown_kind('zzz')"),
              "Kinds that are declared: 15, none of a similar name.");
    enqueue("future.Kind", R"({"a":1})", R"({"allow_unknown":true,"queue":"future"})");
    EXPECT_EQ(psql("select queue, kind, arguments, extra from loadstone_ready"),
              "future|future.Kind|{\"a\": 1}|");
    psql("delete from loadstone_kinds");
    EXPECT_EQ(psql("select loadstone.unknown_kind('sql_kinds.Plain')"),
              "No process has declared any kind yet: start the program that handles it.");
}

TEST_F(JobsSqlRows, AreRefusedForWhatIsWrong) {
    struct Case {
        const char *kind, *arguments, *options, *message;
    };
    const std::string of = "22023 loadstone.enqueue: ";
    for (const Case& c : {
             Case{"sql_kinds.Plain", "[]", "{}",
                  "the arguments of sql_kinds.Plain must be a JSON object, not array"},
             {"sql_kinds.Plain", "null", "{}",
              "the arguments of sql_kinds.Plain must be a JSON object, not null"},
             {"sql_kinds.Plain", "{}", "[]", "options must be a JSON object, not array"},
             {"sql_kinds.Plain", "{}", R"({"delay":1})", "there is no option delay"},
             {"sql_kinds.Plain", "{}", R"({"delay_ms":"1"})",
              "option delay_ms must be a number, not string"},
             {"sql_kinds.Plain", "{}", R"({"delay_ms":-1})",
              "option delay_ms must be from 0 to 1e15, not -1"},
             {"sql_kinds.Plain", "{}", R"({"delay_ms":1,"run_at":"2030-01-01T00:00:00Z"})",
              "of the options delay_ms and run_at one can be given"},
             {"no.Such", "{}", R"({"allow_unknown":true})", "allow_unknown needs the option queue"},
             {"sql_kinds.Plain", "{}", R"({"run_at":"soon"})",
              "option run_at must be a time such as 2024-06-30T12:00:00Z, not \"soon\""},
             {"sql_kinds.Plain", "{}", R"({"run_at":"2024-02-30T12:00:00Z"})",
              "option run_at must be a time such as 2024-06-30T12:00:00Z, not "
              "\"2024-02-30T12:00:00Z\""},
             {"sql_kinds.Plain", "{}", R"({"run_at":"infinity"})",
              "option run_at must be a time such as 2024-06-30T12:00:00Z, not \"infinity\""},
             {"sql_kinds.Plain", "{}", R"({"run_at":"2024-06-30 12:00 Atlantis/City"})",
              "option run_at must be a time such as 2024-06-30T12:00:00Z, not "
              "\"2024-06-30 12:00 Atlantis/City\""},
             {"sql_kinds.Plain", "{}", R"({"version":1.5})",
              "option version must be a version of the arguments, not 1.5"},
             {"sql_kinds.Plain", "{}", R"({"version":1e40})",
              "option version must be a version of the arguments, not "
              "10000000000000000000000000000000000000000"},
         })
        EXPECT_EQ(failure(c.kind, c.arguments, c.options), of + c.message);
    for (const Case& c : {
             Case{"sql_kinds.Plain", R"({"text":5})", "{}",
                  "22023 sql_kinds.Plain.text: expected text, got number"},
             {"sql_kinds.Plain", R"({"text":null})", "{}",
              "22023 sql_kinds.Plain.text: expected text, got null"},
             {"sql_kinds.Plain", R"({"txt":""})", "{}", "22023 sql_kinds.Plain has no member txt"},
             {"sql_kinds.Everything", R"({"small":128})", "{}",
              "22023 sql_kinds.Everything.small: expected an integer from -128 to 127, got 128"},
             {"sql_kinds.Everything", R"({"large":-1})", "{}",
              "22023 sql_kinds.Everything.large: expected an integer from 0 to "
              "18446744073709551615, got -1"},
             {"sql_kinds.Everything", R"({"small":1.5})", "{}",
              "22023 sql_kinds.Everything.small: expected an integer from -128 to 127, got 1.5"},
             {"sql_kinds.Everything", R"({"parts":[{},{"name":1}]})", "{}",
              "22023 sql_kinds.Everything.parts[1].name: expected text, got number"},
             {"sql_kinds.Everything", R"({"at":"yesterday"})", "{}",
              "22023 sql_kinds.Everything.at: expected a time such as 2024-06-30T12:00:00Z, got "
              "\"yesterday\""},
             {"sql_kinds.Everything", R"({"at":"2024-02-30T12:00:00Z"})", "{}",
              "22023 sql_kinds.Everything.at: there is no such day as that of "
              "\"2024-02-30T12:00:00Z\""},
         })
        EXPECT_EQ(failure(c.kind, c.arguments, c.options), c.message);
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "0");
}

TEST_F(JobsSqlRows, AreWrittenByARoleThatMayOnlyEnqueue) {
    const std::string role = "only_enqueues";
    psql("create role only_enqueues");
    const std::string as_role = "set role only_enqueues; ";
    const std::string call = "select loadstone.enqueue('sql_kinds.UniqueFor', '{\"key\":\"k\"}')";
    EXPECT_THROW(psql(as_role + call), std::runtime_error);
    psql(enqueue_grants(role));
    EXPECT_NO_THROW(psql(as_role + call));
    psql("update loadstone_unique set until = 1");
    EXPECT_NO_THROW(psql(as_role + call));
    for (const char* kind : {"sql_kinds.Plain", "sql_kinds.Keyed", "sql_kinds.UniqueSome",
                             "test_kinds.Bounded", "test_kinds.Postponed"})
        EXPECT_NO_THROW(psql(as_role + "select loadstone.enqueue('" + kind +
                             "', '{}', '{\"delay_ms\": 5, \"notify\": true}'), "
                             "loadstone.enqueue('" +
                             kind + "', '{}')"));
    for (const char* statement :
         {"select arguments from loadstone_ready", "delete from loadstone_ready",
          "update loadstone_kinds set declaration = ''", "select * from loadstone_dead_jobs",
          "delete from loadstone_unique", "select arguments from loadstone_scheduled"})
        EXPECT_THROW(psql(as_role + statement), std::runtime_error) << statement;
    psql("reset role; drop owned by only_enqueues; drop role only_enqueues");
}

TEST_F(JobsSqlRows, GoIntoTheTablesOfTheProgramWhateverTheCallersPathIs) {
    psql(
        "create schema other; create table other.loadstone_ready (like loadstone_ready); "
        "create table other.loadstone_kinds (like loadstone_kinds); "
        "set search_path = other, public; "
        "create temporary table loadstone_scheduled (id bigint); "
        "select loadstone.enqueue('sql_kinds.Plain', '{}'), "
        "loadstone.enqueue('sql_kinds.Plain', '{}', '{\"delay_ms\": 1000}')");
    EXPECT_EQ(psql("select (select count(*) from public.loadstone_ready), (select count(*) from "
                   "public.loadstone_scheduled)"),
              "1|1");
}

TEST_F(JobsSqlRows, RunAsAnyOther) {
    node().runner_options.poll_every = milliseconds(100);
    node().run();
    enqueue("sql_kinds.Plain", R"({"text":"plain"})");
    enqueue("sql_kinds.Plain", R"({"text":"later"})", R"({"delay_ms":300})");
    enqueue("sql_kinds.Keyed", R"({"tenant":"a|b","host":"h","number":3})");
    enqueue("sql_kinds.UniqueSome", R"({"key":"unique"})");
    enqueue("sql_kinds.Versioned", R"({"text":"now"})");
    enqueue("sql_kinds.Versioned", R"({"was":"then"})", R"({"version":1})");
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 6; }, std::chrono::seconds(20)));
    const std::vector<std::string> ran = diary_.all();
    const std::multiset<std::string> runs(ran.begin(), ran.end());
    const std::multiset<std::string> expected{"plain", "later", "a|b h 3", "unique", "now", "then"};
    EXPECT_EQ(runs, expected);
    EXPECT_TRUE(wait_until([&] { return psql("select count(*) from loadstone_unique") == "0"; }));
}

TEST_F(JobsSqlRows, OfOneUniqueKeyAtOnceAreOne) {
    const std::string call = "select loadstone.enqueue('sql_kinds.UniqueSome', '{\"key\":\"k\"}')";
    std::string first;
    std::thread slow([&] {
        first = psql("begin; " + call + "; select pg_sleep(1); commit");  // for the other to wait
    });
    ASSERT_TRUE(wait_until([&] {
        return psql(
                   "select count(*) from pg_locks where locktype = 'relation' and mode = "
                   "'RowExclusiveLock' and relation = 'loadstone_ready'::regclass") != "0";
    }));
    const std::string second = psql(call);
    slow.join();
    EXPECT_EQ(first.substr(0, first.find('\n')), second);
    EXPECT_EQ(psql("select count(*) from loadstone_ready"), "1");
}

TEST_F(JobsSqlRows, TakeAKeyThatARollbackHasFreed) {
    const std::string call = "select loadstone.enqueue('sql_kinds.UniqueSome', '{\"key\":\"k\"}')";
    std::thread slow([&] { psql("begin; " + call + "; select pg_sleep(1); rollback"); });
    ASSERT_TRUE(wait_until([&] {
        return psql(
                   "select count(*) from pg_locks where locktype = 'relation' and mode = "
                   "'RowExclusiveLock' and relation = 'loadstone_ready'::regclass") != "0";
    }));
    const std::string second = psql(call);
    slow.join();
    EXPECT_EQ(psql("select seq from loadstone_ready"), second);
    EXPECT_EQ(psql("select job from loadstone_unique"), second);
}

TEST_F(JobsSqlRows, OfASchemaThatThereIsNoneYetNeedARight) {
    const TestDatabase other(server());
    const auto on_other = [&](const std::string& sql) { return server().psql(other.name(), sql); };
    on_other("create role owns_nothing login; grant all on schema public to owns_nothing");
    auto options = test_options(other.url());
    options.url.replace(options.url.find("postgres@"), 9, "owns_nothing@");
    try {
        Node::migrate(options, jobs::sql::migrations);
        ADD_FAILURE() << "it may not make the schema";
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("the schema loadstone is not there"), std::string::npos)
            << error.message();
    }
    on_other("create schema loadstone authorization owns_nothing");
    EXPECT_NO_THROW(Node::migrate(options, jobs::sql::migrations));
    on_other("drop owned by owns_nothing; drop role owns_nothing");
}

TEST_F(JobsSqlRows, AreThoseOfTheProgramThatMigratedFirst) {
    psql("create schema second");
    auto options = test_options(database_.url() + "?options=-csearch_path%3Dsecond");
    EXPECT_NO_THROW(Node::migrate(options, jobs::sql::migrations));
    enqueue("sql_kinds.Plain", "{}");
    EXPECT_EQ(psql("select (select count(*) from public.loadstone_ready), (select count(*) from "
                   "second.loadstone_ready)"),
              "1|0");
}

TEST_F(JobsSqlRows, NotifyOnlyIfAskedTo) {
    const auto hears_of = [&](const std::string& options) {
        const std::string heard = psql(
            "begin; listen loadstone_jobs; commit; begin; select "
            "loadstone.enqueue('sql_kinds.Plain', '{}', '" +
            options + "'); commit; select 1");
        return heard.find("\"loadstone_jobs\"") != std::string::npos;
    };
    EXPECT_FALSE(hears_of("{}"));
    EXPECT_FALSE(hears_of(R"({"notify":false})"));
    EXPECT_TRUE(hears_of(R"({"notify":true})"));
}

TEST_F(JobsSqlRows, WakeRunnersThatLookSeldomIfAskedTo) {
    node().runner_options.poll_every = std::chrono::seconds(60);
    node().run();
    // The runner is there when it has run one, and listens within a moment.
    node().write(enqueue_in<kinds::Plain>, kinds::Plain{"first"});
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 1; }, std::chrono::seconds(20)));
    bool has_run = false;
    for (int i = 0; i < 10 && !has_run; ++i) {
        enqueue("sql_kinds.Plain", R"({"text":"at once"})", R"({"notify":true})");
        has_run = wait_until([&] { return diary_.all().size() > 1; }, std::chrono::seconds(2));
    }
    EXPECT_TRUE(has_run);
}

TEST_F(JobsSqlRows, FollowTheProgramThatStartedLastAndThenTheOneThatIsLeft) {
    const std::string version =
        "select declaration::json ->> 'version' from loadstone_kinds where "
        "name = 'sql_kinds.Versioned'";
    Node older(database_.url(), diary_, kinds::declare_older);
    EXPECT_EQ(psql(version), "2");
    EXPECT_EQ(declare_kinds(older, false), 0U) << "while the newer one is there";
    EXPECT_EQ(declare_kinds(older, true), 1U) << "it has been started again";
    EXPECT_EQ(psql(version), "1");
    EXPECT_EQ(declare_kinds(node(), false), 0U);
    psql("update loadstone_kinds set declared_at = declared_at - 16 * 60000000::bigint");
    EXPECT_GT(declare_kinds(node(), false), 0U) << "nobody has confirmed the older one";
    EXPECT_EQ(psql(version), "2");
    psql("insert into loadstone_kinds values ('gone.Kind', '{}', 1)");
    EXPECT_EQ(declare_kinds(older, true), 1U);
    EXPECT_EQ(psql("select count(*) from loadstone_kinds where name = 'gone.Kind'"), "0");
}

}  // namespace
}  // namespace tests::conformance
