// ClickHouse as a column store: what is of one who fed it before, or of another one, has no effect.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "tests/conformance/conformance.h"
#include "tests/support/click_house_server.h"

namespace tests::conformance {

namespace analytics = loadstone::analytics;
namespace internal = loadstone::analytics::internal;

namespace {

struct Hit {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Hit, (), (number))

constexpr int timeout_ms = 10'000;
constexpr std::int64_t last_key = std::numeric_limits<std::int64_t>::max();

class ClickHouseStore : public ::testing::Test {
protected:
    ClickHouseStore() {
        options_.store = server().url("hits");
        analytics::Facts declared("conformance", tables_);
        declared.table<Hit>("hits");
    }
    ~ClickHouseStore() override { server().run("default", "drop database hits"); }
    static ClickHouseServer& server() {
        static ClickHouseServer one;
        return one;
    }
    static std::string value(const std::string& statement) {
        return server().run("hits", statement);
    }
    std::unique_ptr<internal::ColumnStore> open() const { return internal::open_store(options_); }
    std::string rows(std::int64_t from, std::int64_t to) const {
        std::string bytes;
        internal::WireWriter writer(bytes);
        for (std::int64_t i = from; i < to; ++i) {
            const Hit hit{i};
            writer.integer(0);
            writer.text(internal::row_bytes(*tables_.at(0).type, &hit));
        }
        return bytes;
    }
    void apply(internal::ColumnStore& store, std::int64_t from, std::int64_t to) const {
        const std::string bytes = rows(from, to);
        internal::FactBatch batch;
        batch.from = batch.to = store.state(timeout_ms).position;
        batch.to.seq += to - from;
        batch.forms.push_back({&tables_.at(0).schema, "number"});
        batch.rows = bytes;
        store.apply(batch, timeout_ms);
    }
    void replace(internal::ColumnStore& store, std::int64_t run, std::int64_t from,
                 std::int64_t end) const {
        const std::string bytes = rows(from, from + 5);
        internal::FactRange range;
        range.position = store.state(timeout_ms).position;
        range.form = {&tables_.at(0).schema, "number"};
        range.from = from;
        range.end = end;
        range.run = run;
        range.is_last = end == last_key;
        range.rows = bytes;
        store.replace(range, timeout_ms);
    }

    analytics::Options options_;
    std::vector<analytics::FactTable> tables_;
};

const char* const mutations = "select count() from system.mutations where database = 'hits'";
const char* const shown = "select count() from hits";

}  // namespace

TEST_F(ClickHouseStore, OneThatIsShutOutLearnsItAndDeletesNothing) {
    const auto former = open(), later = open();
    former->begin(1, timeout_ms);
    apply(*former, 0, 10);
    later->begin(2, timeout_ms);
    EXPECT_EQ(code_of([&] { replace(*former, 1, 0, last_key); }), Errc::conflict);
    EXPECT_FALSE(former->has_turn());
    former->forget_old("hits", timeout_ms);
    EXPECT_EQ(value(mutations), "0\n") << "it deletes what its successor shows";
    EXPECT_EQ(value(shown), "10\n");
    EXPECT_EQ(code_of([&] { apply(*former, 10, 20); }), Errc::conflict);

    replace(*later, 2, 0, last_key);
    EXPECT_EQ(value(mutations), "0\n") << "before it is noted";
    EXPECT_EQ(value(shown), "5\n");
    later->forget_old("hits", timeout_ms);
    EXPECT_EQ(value(mutations), "1\n");
    EXPECT_EQ(value(shown), "5\n");
}

TEST_F(ClickHouseStore, ABatchOfOneThatIsShutOutIsRefused) {
    const auto former = open(), later = open();
    former->begin(1, timeout_ms);
    apply(*former, 0, 10);
    later->begin(2, timeout_ms);
    EXPECT_EQ(code_of([&] { apply(*former, 10, 20); }), Errc::conflict);
    EXPECT_FALSE(former->has_turn());
    EXPECT_EQ(value(shown), "10\n");
    apply(*later, 10, 30);
    EXPECT_EQ(value(shown), "30\n");
}

TEST_F(ClickHouseStore, AGapInARunIsRefused) {
    const auto store = open();
    store->begin(1, timeout_ms);
    apply(*store, 0, 30);
    EXPECT_EQ(code_of([&] { replace(*store, 1, 10, 20); }), Errc::data_loss);
    replace(*store, 1, 0, 10);
    EXPECT_EQ(code_of([&] { replace(*store, 1, 20, last_key); }), Errc::data_loss);
    EXPECT_EQ(value(shown), "30\n");
    replace(*store, 1, 10, last_key);
    EXPECT_EQ(value(shown), "10\n");
    replace(*store, 1, 10, last_key);
    EXPECT_EQ(value(shown), "10\n") << "once more changes nothing";
}

TEST_F(ClickHouseStore, AnIdThatComesLateIsNotItsId) {
    const std::string id = open()->begin(2, timeout_ms).store;
    EXPECT_EQ(value("insert into loadstone_store (epoch, id) values (1, '')"), "");
    EXPECT_EQ(open()->state(timeout_ms).store, id);
    EXPECT_EQ(open()->begin(3, timeout_ms).store, id);
}

TEST_F(ClickHouseStore, AViewThatCouldNotBeMadeIsMadeTheNextTime) {
    const auto store = open();
    store->begin(1, timeout_ms);
    EXPECT_EQ(value("create table hits (x UInt8) engine = Log"), "");
    EXPECT_EQ(code_of([&] { apply(*store, 0, 10); }), Errc::conflict);
    EXPECT_EQ(value("drop table hits"), "");
    apply(*store, 0, 10);
    EXPECT_EQ(value(shown), "10\n");
}

TEST_F(ClickHouseStore, AQuestionWithoutTimeLeftIsNotAsked) {
    const auto store = open();
    store->begin(1, timeout_ms);
    internal::Question question;
    question.query = {"numbers", "select number from system.numbers limit 1"};
    question.bounds.timeout = std::chrono::milliseconds(0);
    auto columns = [](const std::vector<analytics::Column>&) {};
    auto taken = [](std::string_view) {};
    EXPECT_EQ(code_of([&] { store->query(question, columns, taken); }), Errc::deadline_exceeded);
}

TEST_F(ClickHouseStore, ItsTextIsOnlyForWhoTypedTheStatement) {
    const auto store = open();
    store->begin(1, timeout_ms);
    internal::Question question;
    question.query = {"wrong", "select Secret"};
    auto columns = [](const std::vector<analytics::Column>&) {};
    auto taken = [](std::string_view) {};
    const auto message = [&] {
        try {
            store->query(question, columns, taken);
        } catch (const Error& error) {
            return error.message();
        }
        return std::string();
    };
    const std::string kept = message();
    EXPECT_TRUE(kept.starts_with("ClickHouse: error ")) << kept;
    EXPECT_EQ(kept.find("Secret"), std::string::npos) << kept;
    question.is_ad_hoc = true;
    EXPECT_NE(message().find("Secret"), std::string::npos) << message();
}

// A program in the place of loadstone-duckdb.
class ClickHouseExports : public ClickHouseStore {
protected:
    void write_with(const std::string& script) {
        const auto program = folder_.path() / "writer";
        std::ofstream(program) << "#!/bin/sh\ncd " << folder_.path().string() << "\n"
                               << script << "\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        options_.program = program.string();
        options_.folder = folder_.path().string();
    }
    internal::Question question() const {
        internal::Question question;
        question.query = {"numbers", "select toInt64(number) as n from system.numbers limit 10"};
        question.bounds.timeout = std::chrono::milliseconds(timeout_ms);
        question.bounds.bytes_max = 1'000'000;
        return question;
    }

    TempDir folder_;
};

TEST_F(ClickHouseExports, OneWhoseWriterStandsStillEndsAtItsDeadline) {
    write_with("exec sleep 1000");
    const auto store = open();
    store->begin(1, timeout_ms);
    internal::Question soon = question();
    soon.bounds.timeout = std::chrono::milliseconds(500);
    EXPECT_EQ(code_of([&] { store->export_file(soon, "1.parquet"); }), Errc::deadline_exceeded);
}

TEST_F(ClickHouseExports, OneWhoseWriterStandsStillEndsWithTheServer) {
    write_with("touch begun; exec sleep 1000");
    const auto store = open();
    store->begin(1, timeout_ms);
    std::optional<Errc> ended;
    std::thread asking(
        [&] { ended = code_of([&] { store->export_file(question(), "1.parquet"); }); });
    const auto has_begun = [&] { return std::filesystem::exists(folder_.path() / "begun"); };
    EXPECT_TRUE(wait_until(has_begun));
    store->stop();
    asking.join();
    EXPECT_EQ(ended, Errc::cancelled);
}

TEST_F(ClickHouseExports, OneWithoutAWriterIsUnavailable) {
    write_with("exit 1");
    const auto store = open();
    store->begin(1, timeout_ms);
    EXPECT_EQ(code_of([&] { store->export_file(question(), "1.parquet"); }), Errc::unavailable);
    options_.program = "/nowhere/loadstone-duckdb";
    EXPECT_EQ(code_of([&] { open()->export_file(question(), "1.parquet"); }), Errc::unavailable);
    EXPECT_EQ(open()->export_file(question(), "1.csv").rows, 10);
}

}  // namespace tests::conformance
