#include "loadstone/server/internal/watch_view.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace loadstone::server::internal {
namespace {

WatchLook look_with(int queues, int running) {
    WatchLook look;
    look.time = {1'795'638'275'000'000};
    look.processes = 2;
    for (int i = 0; i < queues; ++i)
        look.queues.push_back(
            {"queue" + std::to_string(i), 12'345, 75'000'000, 7, 12.34, 3, 2, i == 1});
    for (int i = 0; i < running; ++i)
        look.running.push_back(
            {100 + i, "mail", "mail.SendInvoice", 0, "vm:1", 3'700'000'000, 0.5, "page 5 of 10"});
    return look;
}

int widest(const std::vector<std::string>& lines) {
    int columns = 0;
    for (const std::string& line : lines) columns = std::max(columns, columns_of(line));
    return columns;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

TEST(WatchView, ShowsQueuesAndWhatRuns) {
    EXPECT_EQ(joined(screen_of(look_with(2, 1), 90, 20)),
              R"(jobs at 20:24:35 UTC, 2 processes on this machine, q ends

QUEUE                                READY  OLDEST RUNNING   DONE/S RETRYING    DEAD
queue0                               12345   1m15s       7     12.3        3       2
(paused) queue1                      12345   1m15s       7     12.3        3       2

     JOB RUNS                               FOR  PROGRESS
     100 mail.SendInvoice                 1h01m  [#####.....]  50 %  page 5 of 10
)");
}

TEST(WatchView, FitsEveryTerminal) {
    const WatchLook look = look_with(30, 50);
    for (const int width : {1, 20, 21, 30, 43, 44, 52, 60, 61, 80, 200}) {
        for (const int height : {1, 4, 5, 7, 10, 24, 100}) {
            const auto lines = screen_of(look, width, height);
            EXPECT_LE(widest(lines), std::max(width, 20)) << width << " x " << height;
            EXPECT_LE(static_cast<int>(lines.size()), std::max(height, 4))
                << width << " x " << height;
        }
    }
}

TEST(WatchView, OfANarrowTerminalTheQueueAndItsBacklogRemain) {
    const std::string text = joined(screen_of(look_with(1, 0), 30, 10));
    EXPECT_NE(text.find("READY"), std::string::npos) << text;
    EXPECT_NE(text.find("OLDEST"), std::string::npos) << text;
    EXPECT_EQ(text.find("DEAD"), std::string::npos) << text;
}

TEST(WatchView, SaysHowManyItDoesNotShow) {
    const std::string text = joined(screen_of(look_with(20, 20), 90, 20));
    EXPECT_NE(text.find(" more queues"), std::string::npos) << text;
    EXPECT_NE(text.find("and "), std::string::npos) << text;
    EXPECT_NE(text.find("mail.SendInvoice"), std::string::npos) << text;
}

TEST(WatchView, StoredTextDoesNotAct) {
    WatchLook look = look_with(1, 1);
    look.running[0].note = "a\x1b[2Jb\nc\td\x07";
    look.running[0].fraction = 7;
    look.queues[0].name = "q\x1b[31m";
    look.trouble =
        "\x9b"
        "31m unavailable";
    for (const auto& lines : {screen_of(look, 100, 20), lines_of(look)}) {
        for (const std::string& line : lines) {
            EXPECT_TRUE(std::ranges::none_of(line, [](char c) {
                return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
            })) << line;
        }
        EXPECT_NE(joined(lines).find("a?[2Jb c d?"), std::string::npos) << joined(lines);
    }
}

TEST(WatchView, CutsByColumnsAndNotInACharacter) {
    EXPECT_EQ(fitted("abcdef", 6), "abcdef");
    EXPECT_EQ(fitted("abcdefg", 6), "abcde…");
    EXPECT_EQ(fitted("äöüäöüä", 6), "äöüäö…");
    EXPECT_EQ(columns_of("日本語"), 6);
    EXPECT_EQ(fitted("日本語", 5), "日本…");
    EXPECT_EQ(fitted("日本語", 4), "日…");
    EXPECT_EQ(fitted("a", 0), "");
    EXPECT_EQ(columns_of("e\xcc\x81"), 1) << "a combining accent takes no column";
}

TEST(WatchView, CountsRunsThatSucceeded) {
    const auto done = done_by_kind(
        "# HELP loadstone_jobs_total Runs of jobs finished.\n"
        "loadstone_jobs_total{job=\"mail.Send\",module=\"mail\"} 12\n"
        "loadstone_jobs_total{job=\"mail.Other\",module=\"mail\"} 3\n"
        "loadstone_job_failures_total{job=\"mail.Send\",module=\"mail\"} 2\n"
        "loadstone_jobs_total_of_another{job=\"mail.Send\"} 99\n"
        "no answer from process 7 within 2000 ms");
    EXPECT_EQ(done, (std::map<std::string, double>{{"mail.Send", 10}, {"mail.Other", 3}}));
    EXPECT_TRUE(done_by_kind("").empty());
}

}  // namespace
}  // namespace loadstone::server::internal
