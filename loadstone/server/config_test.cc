#include "loadstone/server/config.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "loadstone/base/error.h"

namespace loadstone::server {
namespace {

struct ConfigTest : testing::Test {
    Config config;
    std::vector<Setting> settings = settings_of(config);
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("config_test_" + std::to_string(getpid()));

    void SetUp() override { std::filesystem::create_directories(folder); }
    void TearDown() override { std::filesystem::remove_all(folder); }

    std::string file(const std::string& text) const {
        const auto path = folder / "campus.toml";
        std::ofstream(path) << text;
        return path.string();
    }
    std::string refusal_of_file(const std::string& text) const {
        const std::string path = file(text);
        try {
            read_config_file(path, settings);
        } catch (const Error& error) {
            const std::string& message = error.message();
            return message.starts_with(path) ? message.substr(path.size()) : message;
        }
        return "accepted";
    }
    void environment(std::vector<std::string> variables) const {
        std::vector<char*> entries;
        for (std::string& variable : variables) entries.push_back(variable.data());
        entries.push_back(nullptr);
        read_environment(settings, "campus", entries.data());
    }
};

TEST_F(ConfigTest, ReadsReplicasAsAList) {
    read_config_file(file("replica = [\"postgres://u:secret@a/n\", \"postgres://b,c/n\"]\n"),
                     settings);
    EXPECT_EQ(config.database.replicas.urls,
              (std::vector<std::string>{"postgres://u:secret@a/n", "postgres://b,c/n"}));
    const auto setting = std::find_if(settings.begin(), settings.end(),
                                      [](const Setting& each) { return each.key == "replica"; });
    EXPECT_EQ(setting->get(), "postgres://u:***@a/n postgres://b,c/n");
    environment({"CAMPUS_REPLICA=postgres://d/n"});
    EXPECT_EQ(config.database.replicas.urls, std::vector<std::string>{"postgres://d/n"});
    EXPECT_NE(refusal_of_file("replica = \"sqlite:x\"\n"), "accepted");
}

TEST_F(ConfigTest, ReadsEveryKindOfValueFromAFile) {
    read_config_file(
        file("listen = \"[::1]:9000\"\nthreads = 3\nrate_limits = false\nrole = \"web\"\n"
             "[http]\nidle_timeout_ms = 1500\n[sqlite]\ngroup_max = 7\n"),
        settings);
    EXPECT_EQ(config.http.address, "::1");
    EXPECT_EQ(config.http.port, 9000);
    EXPECT_EQ(config.threads, 3);
    EXPECT_FALSE(config.http.rate_limits);
    EXPECT_EQ(config.role, Role::web);
    EXPECT_EQ(config.http.limits.idle_timeout, std::chrono::milliseconds(1'500));
    EXPECT_EQ(config.database.group_max, 7U);
}

TEST_F(ConfigTest, RefusesWithFileLineAndKey) {
    EXPECT_EQ(refusal_of_file("listen = \"127.0.0.1:1\"\nlisten_on = \"x\"\n"),
              ":2: listen_on: there is no such setting");
    EXPECT_EQ(refusal_of_file("[http]\nidle = 1\n"), ":2: http.idle: there is no such setting");
    EXPECT_EQ(refusal_of_file("[htpp]\nidle = 1\n"), ":1: htpp: there is no such setting");
    EXPECT_EQ(refusal_of_file("role = \"wep\"\n"),
              ":1: role: expected all or web or work, got \"wep\"");
    EXPECT_EQ(refusal_of_file("threads = -1\n"),
              ":1: threads: expected a number from 0 to 1024, got \"-1\"");
    EXPECT_EQ(refusal_of_file("threads = 1025\n"),
              ":1: threads: expected a number from 0 to 1024, got \"1025\"");
    EXPECT_EQ(refusal_of_file("listen = \"localhost\"\n"),
              ":1: listen: expected HOST:PORT, got \"localhost\"");
    EXPECT_EQ(refusal_of_file("listen = \"[]:0\"\n"),
              ":1: listen: expected HOST:PORT, got \"[]:0\"");
    EXPECT_EQ(refusal_of_file("listen = 8080\n"), ":1: listen: expected HOST:PORT, got \"8080\"");
    EXPECT_EQ(refusal_of_file("threads = 1.5\n"),
              ":1: threads: expected a text in quotes, a whole number, true or false");
    EXPECT_EQ(refusal_of_file("threads = \n").substr(0, 4), ":1: ");
}

TEST_F(ConfigTest, TakesThePublicUrlAsItStandsBeforeAPath) {
    EXPECT_EQ(refusal_of_file("public_url = \"https://campus.example.org/\"\n"), "accepted");
    EXPECT_EQ(config.site.url, "https://campus.example.org");
    EXPECT_EQ(refusal_of_file("public_url = \"http://[::1]:8080/campus//\"\n"), "accepted");
    EXPECT_EQ(config.site.url, "http://[::1]:8080/campus");
    for (const char* wrong : {"campus.example.org", "https://", "http:///x", "ftp://a",
                              "https://a b", "https://a?b", "https://a#b", "https://user@a", "h"}) {
        EXPECT_NE(refusal_of_file(fmt::format("public_url = \"{}\"\n", wrong)), "accepted")
            << wrong;
    }
}

TEST_F(ConfigTest, ReadsTheEnvironmentAndRefusesWhatItDoesNotKnow) {
    environment(
        {"PATH=/bin", "CAMPUS_THREADS=5", "CAMPUS_HTTP_IDLE_TIMEOUT_MS=10", "CAMPUS_CONFIG=x"});
    EXPECT_EQ(config.threads, 5);
    EXPECT_EQ(config.http.limits.idle_timeout, std::chrono::milliseconds(10));
    try {
        environment({"CAMPUS_THREAD=5"});
        FAIL() << "an unknown variable was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.message(), "environment: CAMPUS_THREAD: there is no such setting");
    }
}

TEST_F(ConfigTest, EverySettingTakesWhatItGives) {
    complete(config);
    for (const Setting& setting : settings) {
        const std::string value = setting.get();
        EXPECT_NO_THROW(setting.set(value)) << setting.key << " = " << value;
        EXPECT_EQ(setting.get(), value) << setting.key;
    }
}

TEST_F(ConfigTest, NamesFlagsAndVariablesAfterTheKey) {
    const auto setting = std::find_if(settings.begin(), settings.end(), [](const Setting& s) {
        return s.key == "http.idle_timeout_ms";
    });
    ASSERT_NE(setting, settings.end());
    EXPECT_EQ(flag_name(*setting), "--http-idle-timeout-ms");
    EXPECT_EQ(variable_name(*setting, "campus"), "CAMPUS_HTTP_IDLE_TIMEOUT_MS");
}

TEST_F(ConfigTest, RefusesSettingsThatDoNotFitEachOther) {
    config.http.tls_certificate = "cert.pem";
    EXPECT_THROW(complete(config), Error);
    config.http.tls_certificate.clear();
    config.jobs.heartbeat_every = std::chrono::milliseconds(5'000);
    EXPECT_THROW(complete(config), Error) << "dead_after of 10 s is less than 3 heartbeats";
}

}  // namespace
}  // namespace loadstone::server
