#include "loadstone/store/database.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/keys_in_progress.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sqlite/testing.h"

namespace loadstone::store {
namespace {

using internal::KeysInProgress;
using testing::error_thrown_by;

TEST(DatabaseUrl, NamesTheBackend) {
    EXPECT_EQ(internal::dialect_of("sqlite:/var/x.db"), Dialect::sqlite);
    EXPECT_EQ(internal::dialect_of("postgres://host/name"), Dialect::postgres);
    EXPECT_EQ(internal::dialect_of("postgresql://host/name"), Dialect::postgres);
}

TEST(DatabaseUrl, GivesTheFile) {
    EXPECT_EQ(internal::sqlite_path("sqlite:/var/x.db"), "/var/x.db");
    EXPECT_EQ(internal::sqlite_path("sqlite:///var/x.db"), "/var/x.db");
    EXPECT_EQ(internal::sqlite_path("sqlite:var/x y?z.db"), "var/x y?z.db");
}

TEST(DatabaseUrl, RefusesWhatNamesNoFile) {
    for (const char* url : {"sqlite:", "sqlite::memory:", "sqlite://var/x.db", "sqlite:/var/"}) {
        const Error error = error_thrown_by([&] { internal::sqlite_path(url); });
        EXPECT_EQ(error.code(), Errc::invalid_argument) << url;
        EXPECT_EQ(error.field(), "database") << url;
    }
}

TEST(DatabaseUrl, ShowsNoSecretInItsErrors) {
    for (const char* url : {"mysql://root:geheim@host/x", "host=x password=geheim:1", "geheim",
                            "postgres:geheim", ""}) {
        const Error error = error_thrown_by([&] { internal::dialect_of(url); });
        EXPECT_EQ(error.code(), Errc::invalid_argument) << url;
        EXPECT_EQ(error.message().find("geheim"), std::string::npos) << error.message();
    }
}

TEST(DatabaseUrl, IsShownWithoutItsPassword) {
    const std::vector<std::pair<const char*, const char*>> cases{
        {"postgres://host/name", "postgres://host/name"},
        {"postgres://user@host/name", "postgres://user@host/name"},
        {"postgres://user:geheim@host:5432/name", "postgres://user:***@host:5432/name"},
        {"postgres://user:ge@he/im?x@host/name", "postgres://user:***@host/name"},
        {"postgres://user@host/name?password=geheim&a=b",
         "postgres://user@host/name?password=***&a=b"},
        {"postgres://host/name?sslpassword=geheim", "postgres://host/name?sslpassword=***"},
        {"sqlite:/var/x.db", "sqlite:/var/x.db"},
    };
    for (const auto& [url, shown] : cases) EXPECT_EQ(internal::without_password(url), shown);
}

TEST(Database, RefusesOptionsOutOfRangeByName) {
    telemetry::Registry registry;
    DatabaseOptions options;
    options.url = "sqlite:/nowhere/x.db";
    options.group_max = 0;
    const Error error = error_thrown_by([&] { open_database(options, registry); });
    EXPECT_EQ(error.code(), Errc::invalid_argument);
    EXPECT_EQ(error.message(), "group_max is 0, at least 1 is needed");
}

TEST(KeysInProgress, RefusesAKeyThatIsInUseUntilItIsReleased) {
    KeysInProgress keys;
    {
        const auto hold = keys.hold("a");
        const auto other = keys.hold("b");
        const Error error = error_thrown_by([&] { keys.hold("a"); });
        EXPECT_EQ(error.code(), Errc::conflict);
        EXPECT_EQ(error.field(), "Idempotency-Key");
        EXPECT_EQ(keys.size(), 2U);
    }
    EXPECT_EQ(keys.size(), 0U);
    const auto again = keys.hold("a");
}

struct Kept {
    Kept(KeysInProgress& keys, const std::string& key) : hold(keys.hold(key)) {}
    KeysInProgress::Hold hold;
};

TEST(KeysInProgress, RefusesMoreThanItsBound) {
    KeysInProgress keys;
    std::deque<Kept> kept;
    for (std::size_t i = 0; i < KeysInProgress::keys_max; ++i) {
        kept.emplace_back(keys, std::to_string(i));
    }
    const Error error = error_thrown_by([&] { keys.hold("one more"); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_TRUE(error.retry_after());
    kept.pop_front();
    kept.emplace_back(keys, "one more");
}

}  // namespace
}  // namespace loadstone::store
