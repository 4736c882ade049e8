#pragma once
// The kinds of the tests of loadstone.enqueue, and a program that has declared them.

#include "loadstone/jobs/declaration.h"
#include "tests/conformance/jobs_stage.h"
#include "tests/support/postgres_server.h"

namespace sql_kinds {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
using test_kinds::Bounded;
using test_kinds::Fleeting;
using test_kinds::Postponed;

struct Plain {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Plain, (), (text))

struct Keyed {
    std::string tenant, host;
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Keyed, (), (tenant, host, number))

struct LimitedOnly {
    bool flag = false;
    std::vector<std::string> names;
};
BOOST_DESCRIBE_STRUCT(LimitedOnly, (), (flag, names))

struct UniqueSome {
    std::string key;
    std::int64_t number = 0;
    std::string text;
};
BOOST_DESCRIBE_STRUCT(UniqueSome, (), (key, number, text))

struct UniqueAll {
    std::string text;
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(UniqueAll, (), (text, number))

struct UniqueFor {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(UniqueFor, (), (key))

struct UniqueWaits {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(UniqueWaits, (), (key))

struct Merged {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Merged, (), (key))

struct Versioned {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Versioned, (), (text))

struct Part {
    std::string name = "unnamed";
    std::vector<int> numbers;
};
BOOST_DESCRIBE_STRUCT(Part, (), (name, numbers))

struct Everything {
    bool yes = true;
    std::int8_t small = 5;
    std::uint64_t large = 0;
    loadstone::Id<struct ThingTag> id{};
    double real = 0.25;
    float single = 0.1F;
    std::optional<std::string> text;
    std::optional<Part> part;
    std::vector<Part> parts;
    std::vector<std::byte> raw;
    loadstone::Timestamp at{};
    Part own{"own", {3}};
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (yes, small, large, id, real, single, text, part, parts, raw, at, own))

// Unique over all arguments, of every type; what it is called, its arguments are.
void declare(loadstone::Handlers& handlers);
// An older version of the program: of Versioned the first version.
void declare_older(loadstone::Handlers& handlers);

}  // namespace sql_kinds

namespace tests::conformance {

// The rows that C++ and SQL make of the same enqueue, as JSON without ids and times; and undone.
Task<std::vector<std::string>> both_rows(Tx& tx, std::string kind, std::string arguments,
                                         std::int64_t delay_ms);
// The arguments as SQL stores them; undone.
Task<std::vector<std::string>> rows_of(Tx& tx, std::string kind, std::string arguments);

// What docs/guides/jobs_from_other_languages.md says to grant.
std::string enqueue_grants(const std::string& role);

class JobsSql : public ::testing::Test {
protected:
    JobsSql();

    Node& node() { return *node_; }
    std::string psql(const std::string& sql) { return server().psql(database_.name(), sql); }
    std::int64_t enqueue(const std::string& kind, const std::string& arguments,
                         const std::string& options = "{}");
    // SQLSTATE and message.
    std::string failure(const std::string& kind, const std::string& arguments,
                        const std::string& options = "{}");
    std::size_t declare_kinds(Node& of, bool is_start);

    static PostgresServer& server();
    TestDatabase database_{server()};
    Diary diary_;
    std::unique_ptr<Node> node_;
};

}  // namespace tests::conformance
