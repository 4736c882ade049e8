#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "loadstone/jobs/handlers.h"
#include "loadstone/jobs/job.h"

namespace loadstone::jobs {
namespace {

// One that a database refuses would take with it what all others of the process have told.
TEST(RunNotes, WhatIsToldOfProgressCanBeStored) {
    const Kind kind;
    RunNotes notes;
    notes.begin(kind);
    notes.report(std::numeric_limits<double>::quiet_NaN(), std::string("a\0b\xff", 4));
    auto progress = notes.take_progress();
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->fraction, 0);
    EXPECT_EQ(progress->note, "a?b?");
    notes.report(std::numeric_limits<double>::infinity(), "done");
    EXPECT_EQ(notes.take_progress()->fraction, 1);
    notes.report(-1, "begun");
    EXPECT_EQ(notes.take_progress()->fraction, 0);
}

TEST(RunNotes, ALongNoteEndsWithAWholeCharacter) {
    const Kind kind;
    RunNotes notes;
    notes.begin(kind);
    std::string umlauts = "x";
    while (umlauts.size() < 600) umlauts += "\xc3\xa4";
    notes.report(0.5, umlauts);
    EXPECT_EQ(notes.take_progress()->note, umlauts.substr(0, 499));
}

}  // namespace
}  // namespace loadstone::jobs
