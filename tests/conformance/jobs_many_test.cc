// Many jobs that are enqueued in one statement, on every database: each as if it had been enqueued
// alone, in their order.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/conformance/jobs_node.h"

namespace jobs_many {

struct Keyed {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Keyed, (), (key, text))

loadstone::Task<void> handle_keyed(loadstone::Context& context, loadstone::Job<Keyed> job) {
    context.services().get<conformance_jobs::Diary>().ran(job->key + ": " + job->text);
    co_return;
}

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_keyed).limit({.name = "keyed", .running_max = 8}, &Keyed::key);
}

}  // namespace jobs_many

namespace tests::conformance {
namespace {

using jobs_many::Keyed;

class ManyJobs : public JobQueue {};

INSTANTIATE_TEST_SUITE_P(Databases, ManyJobs, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// What separates jobs in a statement, quotes in one of the databases, or is no character there.
const std::vector<std::string> odd{"",        " ",        ",",
                                   "\n",      ",\n",      "a,\nb",
                                   "\r\n",    "\t",       "\\",
                                   "\\n",     "\"",       "'",
                                   "\x1e",    "\x01",     "\x7f",
                                   "$4",      "%25|",     "|",
                                   "[]",      "}{",       "null",
                                   "\\u0041", "\xc3\xa4", "\xf0\x9f\x98\x80",
                                   "{{}}",    "-- name",  std::string(100'000, ',')};

template <class Job>
Task<bool> enqueue_all_in(Tx& tx, std::vector<Job> all) {
    co_await jobs::enqueue_all(tx, all);
    co_return true;
}
Task<bool> enqueue_texts_in(Tx& tx, std::string kind, std::vector<std::string> arguments) {
    co_await jobs::enqueue_all_json(tx, kind, std::move(arguments));
    co_return true;
}
Task<std::int64_t> enqueue_text_in(Tx& tx, std::string kind, std::string arguments) {
    co_return co_await jobs::enqueue_json(tx, kind, std::move(arguments));
}
Task<bool> enqueue_each_in(Tx& tx, std::vector<Keyed> all) {
    for (const Keyed& each : all) co_await jobs::enqueue(tx, each);
    co_return true;
}
Task<bool> enqueue_and_fail(Tx& tx, std::vector<Note> all) {
    co_await jobs::enqueue_all(tx, all);
    throw loadstone::Error(loadstone::Errc::not_found, "the body fails");
}
Task<bool> enqueue_between(Tx& tx, std::vector<Note> all) {
    const Note before{"before"};
    const Note after{"after"};
    co_await tx.enqueue(before);
    co_await jobs::enqueue_all(tx, all);
    co_await tx.enqueue(after);
    co_return true;
}

// A column of what is ready, in the order of places.
template <const loadstone::store::Query& query>
Task<std::vector<std::string>> column(Reader reader) {
    std::vector<std::string> all;
    auto add = [&](const std::string& text) { all.push_back(text); };
    co_await reader.each<std::string>(query, add);
    co_return all;
}
constexpr std::string_view arguments_text = "select arguments from loadstone_ready order by seq";
constexpr loadstone::store::Query arguments_query{"test.arguments", arguments_text, arguments_text,
                                                  0};
constexpr std::string_view partitions_text =
    "select partition_key from loadstone_ready order by seq";
constexpr loadstone::store::Query partitions_query{"test.partitions", partitions_text,
                                                   partitions_text, 0};

std::vector<std::string> texts_of(Node& node) {
    std::vector<std::string> texts;
    for (const std::string& each : node.read(column<arguments_query>))
        texts.push_back(loadstone::from_json<Note>(each).value().text);
    return texts;
}

std::vector<Note> notes(const std::vector<std::string>& texts) {
    std::vector<Note> all;
    for (const std::string& text : texts) all.push_back({text});
    return all;
}

TEST_P(ManyJobs, HaveTheArgumentsThatTheyWereGiven) {
    Node node(database_.url(), diary_);
    node.write(enqueue_all_in<Note>, notes(odd));
    EXPECT_EQ(texts_of(node), odd);
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }, std::chrono::seconds(30)));
    std::vector<std::string> ran = diary_.all();
    std::vector<std::string> given = odd;
    std::sort(ran.begin(), ran.end());
    std::sort(given.begin(), given.end());
    EXPECT_EQ(ran, given);
}

TEST_P(ManyJobs, StandInTheirOrder) {
    Node node(database_.url(), diary_);
    std::vector<std::string> texts;
    for (int i = 0; i < 3'000; ++i) texts.push_back(std::to_string(i));
    node.write(enqueue_all_in<Note>, notes(texts));
    EXPECT_EQ(texts_of(node), texts);
}

TEST_P(ManyJobs, StandBetweenThoseThatWereEnqueuedBeforeAndAfter) {
    Node node(database_.url(), diary_);
    node.write(enqueue_between, notes({"1", "2"}));
    EXPECT_EQ(texts_of(node), (std::vector<std::string>{"before", "1", "2", "after"}));
}

TEST_P(ManyJobs, MayBeNoneOrOne) {
    Node node(database_.url(), diary_);
    node.write(enqueue_all_in<Note>, std::vector<Note>());
    EXPECT_TRUE(node.jobs_of("").empty());
    node.write(enqueue_all_in<Note>, notes({"one"}));
    EXPECT_EQ(node.jobs_of("").size(), 1U);
}

TEST_P(ManyJobs, AreOneEachHoweverTheirJsonIsWritten) {
    Node node(database_.url(), diary_, jobs_many::declare);
    const std::vector<std::string> written{"{\n  \"key\": \"k\",\n  \"text\":\n\"a\"\n}\n",
                                           R"({"key":"k","text":"b,\n"})",
                                           "\n{\"text\":\"c\",\n\"key\":\"k\"}"};
    node.write(enqueue_texts_in, std::string("jobs_many.Keyed"), written);
    std::vector<std::string> texts;
    for (const std::string& each : node.read(column<arguments_query>))
        texts.push_back(loadstone::from_json<Keyed>(each).value().text);
    EXPECT_EQ(texts, (std::vector<std::string>{"a", "b,\n", "c"}));
}

TEST_P(ManyJobs, WithoutArgumentsAreRefused) {
    Node node(database_.url(), diary_);
    const std::vector<std::string> written{R"({"text":"a"})", ""};
    EXPECT_EQ(code_of([&] {
                  node.write(enqueue_texts_in, std::string("conformance_jobs.Note"), written);
              }),
              loadstone::Errc::invalid_argument);
    EXPECT_TRUE(node.jobs_of("").empty());
    node.write(enqueue_all_in<Note>, notes({"b"}));
    EXPECT_EQ(texts_of(node), std::vector<std::string>{"b"});
}

// Two of them are texts that stand between others in a list, or lines.
TEST_P(ManyJobs, WhoseArgumentsCannotBeReadAreRefused) {
    Node node(database_.url(), diary_);
    const std::string kind = "conformance_jobs.Note";
    for (const char* text : {R"({"text":"a")", R"({"text":"a"},{"text":"b"})",
                             "{\"text\":\"a\"},\n{\"text\":\"b\"}", "a", "[]", R"({"text":7})"}) {
        SCOPED_TRACE(text);
        const std::vector<std::string> written{R"({"text":"good"})", text};
        EXPECT_EQ(code_of([&] { node.write(enqueue_texts_in, kind, written); }),
                  loadstone::Errc::invalid_argument);
        EXPECT_EQ(code_of([&] { node.write(enqueue_text_in, kind, std::string(text)); }),
                  loadstone::Errc::invalid_argument);
    }
    EXPECT_TRUE(node.jobs_of("").empty());
}

TEST_P(ManyJobs, AreNotThereWhenTheirTransactionFails) {
    Node node(database_.url(), diary_);
    EXPECT_EQ(code_of([&] { node.write(enqueue_and_fail, notes(odd)); }),
              loadstone::Errc::not_found);
    EXPECT_TRUE(node.jobs_of("").empty());
}

TEST_P(ManyJobs, OfAKeyHaveThePartitionThatOneAloneHas) {
    Node node(database_.url(), diary_, jobs_many::declare);
    std::vector<Keyed> all;
    for (const std::string& key : odd) all.push_back({key, "of " + std::to_string(all.size())});
    node.write(enqueue_each_in, all);
    node.write(enqueue_all_in<Keyed>, all);
    const auto partitions = node.read(column<partitions_query>);
    const auto arguments = node.read(column<arguments_query>);
    ASSERT_EQ(partitions.size(), 2 * all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(partitions[i], partitions[all.size() + i]) << all[i].text;
        EXPECT_EQ(arguments[i], arguments[all.size() + i]) << all[i].text;
    }
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }, std::chrono::seconds(30)));
    EXPECT_EQ(diary_.all().size(), 2 * all.size());
}

}  // namespace
}  // namespace tests::conformance
