#include "loadstone/outbound/internal/maildir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utime.h>

#include <atomic>
#include <csignal>
#include <fstream>

#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/testing.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::outbound::internal {
namespace {

using outbound::testing::read_file;
using outbound::testing::TempFolder;
using ::testing::HasSubstr;

std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                                  std::filesystem::directory_iterator()));
}

TEST(Maildir, NamesDifferentIdsDifferently) {
    EXPECT_EQ(maildir_name("<a.b-1@example.org>"), "=3Ca.b-1@example.org=3E");
    EXPECT_EQ(maildir_name(".a/../b:2,S"), "=2Ea=2F..=2Fb=3A2=2CS");
    EXPECT_NE(maildir_name("a=41"), maildir_name("aA"));
    const std::string one = maildir_name(std::string(240, 'a') + "1");
    const std::string two = maildir_name(std::string(240, 'a') + "2");
    EXPECT_NE(one, two);
    EXPECT_LE(one.size(), 200U);
    EXPECT_LE(maildir_name(std::string(240, '<')).size(), 200U);
}

TEST(Maildir, KeepsAMailOnceEvenAfterItWasRead) {
    const TempFolder folder;
    const std::string path = folder.path() + "/deep/er/mail/";
    Maildir maildir(path);
    const std::vector<Maildir::Mail> mails{
        {"one", "first\r\n"}, {"two", "second\r\n"}, {"one", "again\r\n"}};
    for (int round = 0; round < 3; ++round) {
        for (const MailResult& result : maildir.deliver(mails)) {
            EXPECT_EQ(result.outcome, MailOutcome::sent) << result.detail;
        }
        EXPECT_EQ(files_in(path + "new") + files_in(path + "cur"), 2U);
        if (round == 0) std::filesystem::rename(path + "new/one", path + "cur/one:2,FS");
    }
    EXPECT_EQ(read_file(path + "cur/one:2,FS"), "first\r\n");
    EXPECT_EQ(files_in(path + "tmp"), 0U);
    struct stat status{};
    ASSERT_EQ(::stat((path + "new/two").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(Maildir, IsSharedByTwoWriters) {
    const TempFolder folder;
    Maildir one(folder.path()), two(folder.path());
    EXPECT_EQ(one.deliver({{"same", "x\r\n"}})[0].outcome, MailOutcome::sent);
    EXPECT_EQ(two.deliver({{"same", "x\r\n"}})[0].outcome, MailOutcome::sent);
    EXPECT_EQ(files_in(folder.path() + "/new"), 1U);
}

TEST(Maildir, RemovesOnlyOldLeftovers) {
    const TempFolder folder;
    {
        const Maildir made(folder.path());
    }
    std::ofstream(folder.path() + "/tmp/old") << "x";
    std::ofstream(folder.path() + "/tmp/young") << "x";
    const utimbuf long_ago{1, 1};
    ASSERT_EQ(::utime((folder.path() + "/tmp/old").c_str(), &long_ago), 0);
    const Maildir again(folder.path());
    EXPECT_FALSE(std::filesystem::exists(folder.path() + "/tmp/old"));
    EXPECT_TRUE(std::filesystem::exists(folder.path() + "/tmp/young"));
}

TEST(Maildir, SaysWhichFolderCannotBeMade) {
    const TempFolder folder;
    std::ofstream(folder.path() + "/file") << "x";
    try {
        const Maildir made(folder.path() + "/file/mail");
        ADD_FAILURE() << "made";
    } catch (const Error& error) {
        EXPECT_THAT(error.message(), HasSubstr(folder.path() + "/file"));
    }
}

// While it lives, a file cannot grow beyond `bytes`: a write fails half-way, as on a full disk.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST(Maildir, DefersWhatDoesNotFitAndLeavesNothingBehind) {
    const TempFolder folder;
    Maildir maildir(folder.path());
    const std::vector<Maildir::Mail> mails{
        {"small", "x\r\n"}, {"large", std::string(10'000, 'y')}, {"small 2", "z\r\n"}};
    {
        const FileSizeLimit limit(4096);
        const std::vector<MailResult> results = maildir.deliver(mails);
        EXPECT_EQ(results[0].outcome, MailOutcome::sent);
        EXPECT_EQ(results[1].outcome, MailOutcome::deferred);
        EXPECT_EQ(results[1].detail, "maildir " + folder.path() +
                                         ": message of 10000 bytes not written: File too large");
        EXPECT_EQ(results[2].outcome, MailOutcome::sent);
    }
    EXPECT_EQ(files_in(folder.path() + "/tmp"), 0U);
    EXPECT_EQ(files_in(folder.path() + "/new"), 2U);
    EXPECT_EQ(maildir.deliver(mails)[1].outcome, MailOutcome::sent);
    EXPECT_EQ(read_file(folder.path() + "/new/large"), mails[1].content);
}

TEST(Maildir, DefersWhenItsFoldersAreGone) {
    const TempFolder folder;
    Maildir maildir(folder.path());
    for (const char* const gone : {"/tmp", "/new"}) {
        std::filesystem::remove_all(folder.path() + gone);
        const MailResult result = maildir.deliver({{"one", "x\r\n"}})[0];
        EXPECT_EQ(result.outcome, MailOutcome::deferred);
        EXPECT_THAT(result.detail, HasSubstr("No such file or directory"));
        std::filesystem::create_directory(folder.path() + gone);
    }
    EXPECT_EQ(maildir.deliver({{"one", "x\r\n"}})[0].outcome, MailOutcome::sent);
}

struct MaildirMailerTest : ::testing::Test {
    MaildirMailerTest() {
        loops.start();
        options.url = "maildir:" + folder.path();
    }
    static Task<MailResult> send(Mailer* mailer, MailMessage message, Deadline deadline) {
        const runtime::Services services;
        Context context(services, deadline);
        co_return co_await mailer->send(context, message);
    }
    static Task<void> send_into(Mailer* mailer, MailMessage message, std::atomic<int>* sent) {
        const MailResult result =
            co_await send(mailer, std::move(message), Deadline::in(std::chrono::seconds(30)));
        if (result.outcome == MailOutcome::sent) ++*sent;
    }
    static MailMessage letter(int number) {
        MailMessage message;
        message.from = {"Campus", "campus@example.org"};
        message.to = {"Ada", "ada@example.org"};
        message.subject = "Welcome";
        message.text = "Welcome.";
        message.message_id = "<job-" + std::to_string(number) + "@example.org>";
        return message;
    }

    const TempFolder folder;
    telemetry::Registry registry;
    runtime::Loops loops{runtime::LoopsOptions{.threads = 2}, registry};
    MailOptions options;
};

TEST_F(MaildirMailerTest, StoresEachOfManyConcurrentMailsOnce) {
    const std::unique_ptr<Mailer> mailer = Mailer::open(options, registry);
    std::atomic<int> sent{0};
    runtime::TaskScope scope("mails");
    for (int i = 0; i < 300; ++i) {
        scope.spawn(loops.executor(i % 2), send_into(mailer.get(), letter(i % 100), &sent));
    }
    ASSERT_TRUE(scope.join_blocking(Deadline::in(runtime::testing::patience)));
    EXPECT_EQ(sent, 300);
    EXPECT_EQ(files_in(folder.path() + "/new"), 100U);
    EXPECT_THAT(registry.prometheus(), HasSubstr("loadstone_mail_total{outcome=\"sent\"} 300"));
}

TEST_F(MaildirMailerTest, TriesNothingAfterItsDeadlineOrItsStop) {
    const std::unique_ptr<Mailer> mailer = Mailer::open(options, registry);
    const Deadline past(Deadline::Clock::now());
    EXPECT_THROW(
        runtime::testing::run_blocking(loops.executor(0), send(mailer.get(), letter(1), past)),
        Error);
    mailer->stop();
    const Deadline later = Deadline::in(std::chrono::seconds(5));
    EXPECT_THROW(
        runtime::testing::run_blocking(loops.executor(0), send(mailer.get(), letter(1), later)),
        Error);
    EXPECT_EQ(files_in(folder.path() + "/new"), 0U);
}

}  // namespace
}  // namespace loadstone::outbound::internal
