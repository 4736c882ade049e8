#include "loadstone/store/postgres/internal/target.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace loadstone::store::postgres {

namespace {

DatabaseOptions options_with(std::string url) {
    DatabaseOptions options;
    options.url = std::move(url);
    options.statement_timeout_max = std::chrono::milliseconds(1'500);
    return options;
}

std::string value_of(const Parameters& parameters, std::string_view keyword) {
    const std::string* found = find(parameters, keyword);
    return found == nullptr ? "" : *found;
}

Parameters parameters_of(const std::string& url, Use use) {
    const DatabaseOptions options = options_with(url);
    return parameters_for(target_of(options), use, options);
}

}  // namespace

TEST(Target, TakesTheUrlApart) {
    const Target target =
        target_of(options_with("postgres://me:secret@db.example:6543/shop?sslmode=require"));
    EXPECT_EQ(value_of(target.parameters, "user"), "me");
    EXPECT_EQ(value_of(target.parameters, "password"), "secret");
    EXPECT_EQ(value_of(target.parameters, "sslmode"), "require");
    EXPECT_EQ(target.shown, "db.example:6543/shop");
    EXPECT_FALSE(target.is_pooled);
    EXPECT_FALSE(target.has_several_hosts);
}

TEST(Target, KnowsThePoolerWhereverItStands) {
    for (const char* url :
         {"postgres://h/d?pooler=transaction", "postgres://h/d?pooler=transaction&sslmode=require",
          "postgres://h/d?sslmode=require&pooler=transaction"}) {
        const Target target = target_of(options_with(url));
        EXPECT_TRUE(target.is_pooled) << url;
        EXPECT_EQ(value_of(target.parameters, "host"), "h");
        EXPECT_EQ(value_of(target.parameters, "dbname"), "d");
    }
    EXPECT_THROW(target_of(options_with("postgres://h/d?pooler=statement")), Error);
}

TEST(Target, NeverShowsAPassword) {
    for (const char* url : {"postgres://me:secret@h:port/d", "postgres://me:secret@h/d?what=1",
                            "postgres://me:secret@[::1/d", "postgres://h:x/d?password=secret"}) {
        try {
            target_of(options_with(url));
            ADD_FAILURE() << url << " was taken";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_EQ(error.message().find("secret"), std::string::npos) << error.message();
        }
    }
}

TEST(Target, RefusesWhatIsNoPort) {
    for (const char* url : {"postgres://h:0/d", "postgres://h:65536/d", "postgres://h:54x/d",
                            "postgres://a:5432,b:x/d"}) {
        EXPECT_THROW(target_of(options_with(url)), Error) << url;
    }
    EXPECT_EQ(value_of(target_of(options_with("postgres://a:1,b,c:65535/d")).parameters, "port"),
              "1,,65535");
}

TEST(Target, ReadersCannotWrite) {
    EXPECT_EQ(value_of(parameters_of("postgres://h/d", Use::read), "options"),
              "-c statement_timeout=1500 -c default_transaction_read_only=on");
    EXPECT_EQ(value_of(parameters_of("postgres://h/d", Use::transaction), "options"),
              "-c statement_timeout=1500 -c idle_in_transaction_session_timeout=3000 "
              "-c default_transaction_isolation=repeatable\\ read");
}

TEST(Target, KeepsTheOptionsOfTheUrl) {
    EXPECT_EQ(
        value_of(parameters_of("postgres://h/d?options=-c%20jit%3Doff", Use::notify), "options"),
        "-c jit=off -c statement_timeout=1500 -c synchronous_commit=off");
    EXPECT_EQ(value_of(parameters_of("postgres://h/d?application_name=shop", Use::read),
                       "application_name"),
              "shop");
}

TEST(Target, SendsAPoolerNoSessionOptions) {
    for (const Use use : {Use::read, Use::transaction, Use::notify, Use::schema}) {
        EXPECT_EQ(value_of(parameters_of("postgres://h/d?pooler=transaction", use), "options"), "");
    }
}

TEST(Target, WithSeveralHostsInsistsOnThePrimary) {
    EXPECT_EQ(value_of(parameters_of("postgres://a,b/d", Use::read), "target_session_attrs"),
              "primary");
    EXPECT_EQ(value_of(parameters_of("postgres://a,b/d", Use::transaction), "target_session_attrs"),
              "read-write");
    EXPECT_EQ(value_of(parameters_of("postgres://a,b/d?target_session_attrs=any", Use::read),
                       "target_session_attrs"),
              "any");
    EXPECT_EQ(value_of(parameters_of("postgres://a/d", Use::transaction), "target_session_attrs"),
              "");
}

TEST(Target, WithReplicasIsWhicheverServerIsThePrimary) {
    DatabaseOptions options = options_with("postgres://u:p@a,b:7/d");
    options.replicas.urls = {"postgres://v@c:8/d", "postgres://v@/d?host=/tmp"};
    const Target primary = primary_of(options);
    EXPECT_EQ(value_of(primary.parameters, "host"), "a,b,c,/tmp");
    EXPECT_EQ(value_of(primary.parameters, "port"), "5432,7,8,5432");
    EXPECT_EQ(value_of(primary.parameters, "user"), "u");
    EXPECT_EQ(value_of(parameters_for(primary, Use::read, options), "target_session_attrs"),
              "primary");
    const auto servers = servers_of(options);
    ASSERT_EQ(servers.size(), 4);
    EXPECT_EQ(servers[1].shown, "b:7/d");
    EXPECT_EQ(servers[2].shown, "c:8/d");
    EXPECT_EQ(value_of(servers[2].parameters, "user"), "v");
    const Parameters replica = parameters_for(servers[2], Use::replica, options);
    EXPECT_EQ(value_of(replica, "target_session_attrs"), "any");
    EXPECT_NE(value_of(replica, "options").find("default_transaction_read_only=on"),
              std::string::npos);
}

TEST(Target, OfAReplicaIsOfTheSameDatabase) {
    DatabaseOptions options = options_with("postgres://u@a,b/d");
    options.replicas.urls = {"postgres://v@c/d"};
    EXPECT_EQ(own_servers_of(options), 2);
    EXPECT_EQ(servers_of(options).size(), 3);
    options.replicas.urls = {"postgres://v@c/other"};
    EXPECT_THROW(servers_of(options), Error);
    options.replicas.urls = {"postgres://d@c"};  // the user's name is that of the database
    EXPECT_EQ(servers_of(options).size(), 3);
    options.replicas.urls = {"postgres://v@c"};
    EXPECT_THROW(servers_of(options), Error);
}

TEST(Target, OfAReplicaIsNoPooler) {
    DatabaseOptions options = options_with("postgres://a/d?pooler=transaction");
    EXPECT_EQ(servers_of(options).size(), 1);
    options.replicas.urls = {"postgres://b/d"};
    EXPECT_THROW(servers_of(options),
                 Error);  // after a failover the primary's address is a replica's
    options.url = "postgres://a/d";
    EXPECT_EQ(servers_of(options).size(), 2);
    options.replicas.urls = {"postgres://b/d?pooler=transaction"};
    EXPECT_THROW(servers_of(options), Error);
}

}  // namespace loadstone::store::postgres
