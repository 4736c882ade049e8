#include "loadstone/base/timestamp.h"

#include <gtest/gtest.h>

#include <limits>

#include "loadstone/base/random.h"

namespace loadstone {
namespace {

struct Vector {
    std::int64_t micros;
    std::string_view rfc3339, http;
};

// `date -u -d @SECONDS`
constexpr Vector vectors[] = {
    {0, "1970-01-01T00:00:00.000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "1969-12-31T23:59:59.999999Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
    {951'782'400'000'000, "2000-02-29T00:00:00.000000Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
    {1'769'860'800'000'001, "2026-01-31T12:00:00.000001Z", "Sat, 31 Jan 2026 12:00:00 GMT"},
    {timestamp_text_min.micros, "0000-01-01T00:00:00.000000Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
    {timestamp_text_max.micros, "9999-12-31T23:59:59.999999Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
};

TEST(Timestamp, IsWrittenAsRfc3339AndAsHttpDate) {
    for (const auto& [micros, rfc3339, http] : vectors) {
        EXPECT_EQ(to_rfc3339({micros}), rfc3339);
        EXPECT_EQ(to_http_date({micros}), http);
    }
}

TEST(Timestamp, IsReadBack) {
    for (const auto& [micros, rfc3339, http] : vectors) {
        EXPECT_EQ(timestamp_from_rfc3339(rfc3339), Timestamp{micros});
    }
    Random random(3);
    const auto range = static_cast<std::uint64_t>(timestamp_text_max.micros) +
                       static_cast<std::uint64_t>(-timestamp_text_min.micros);
    for (int i = 0; i < 10'000; ++i) {
        const Timestamp time{timestamp_text_min.micros +
                             static_cast<std::int64_t>(random.below(range))};
        ASSERT_EQ(timestamp_from_rfc3339(to_rfc3339(time)), time) << time.micros;
    }
}

TEST(Timestamp, OutsideTheYearsOfFourDigitsIsWrittenAsTheNearerEnd) {
    constexpr auto limits = std::numeric_limits<std::int64_t>();
    EXPECT_EQ(to_rfc3339({timestamp_text_min.micros - 1}), "0000-01-01T00:00:00.000000Z");
    EXPECT_EQ(to_rfc3339({timestamp_text_max.micros + 1}), "9999-12-31T23:59:59.999999Z");
    EXPECT_EQ(to_rfc3339({limits.min()}), "0000-01-01T00:00:00.000000Z");
    EXPECT_EQ(to_rfc3339({limits.max()}), "9999-12-31T23:59:59.999999Z");
}

TEST(Timestamp, TakesZeroToSixFractionalDigits) {
    const auto micros = [](std::string_view text) {
        return timestamp_from_rfc3339(text).value_or(Timestamp{-1}).micros;
    };
    EXPECT_EQ(micros("1970-01-01T00:00:01Z"), 1'000'000);
    EXPECT_EQ(micros("1970-01-01T00:00:01.5Z"), 1'500'000);
    EXPECT_EQ(micros("1970-01-01T00:00:01.000001Z"), 1'000'001);
    EXPECT_EQ(micros("1970-01-01T00:00:01.0000001Z"), -1);
    EXPECT_EQ(micros("1970-01-01T00:00:01.Z"), -1);
}

TEST(Timestamp, AcceptsTheLeapDaysOfTheCalendarOnly) {
    EXPECT_TRUE(timestamp_from_rfc3339("2024-02-29T00:00:00Z"));
    EXPECT_TRUE(timestamp_from_rfc3339("2000-02-29T00:00:00Z"));
    EXPECT_FALSE(timestamp_from_rfc3339("2026-02-29T00:00:00Z"));
    EXPECT_FALSE(timestamp_from_rfc3339("1900-02-29T00:00:00Z"));
}

TEST(Timestamp, RejectsEveryOtherText) {
    for (const std::string_view text : {"",
                                        "Z",
                                        "2026-01-31",
                                        "2026-01-31T12:00:00",
                                        "2026-01-31T12:00:00+00:00",
                                        "2026-01-31t12:00:00Z",
                                        "2026-01-31T12:00:00z",
                                        "2026-01-31 12:00:00Z",
                                        "2026-1-31T12:00:00Z",
                                        "2026-00-01T12:00:00Z",
                                        "2026-13-01T12:00:00Z",
                                        "2026-01-00T12:00:00Z",
                                        "2026-01-32T12:00:00Z",
                                        "2026-04-31T12:00:00Z",
                                        "2026-01-31T24:00:00Z",
                                        "2026-01-31T12:60:00Z",
                                        "2026-01-31T12:00:60Z",
                                        "02026-01-31T12:00:00Z",
                                        "-026-01-31T12:00:00Z",
                                        "2026-01-31T12:00:00ZZ",
                                        " 2026-01-31T12:00:00Z",
                                        "2026-01-31T12:00:00.5",
                                        "2026-01-31T12:00:00.+5Z"}) {
        EXPECT_FALSE(timestamp_from_rfc3339(text)) << text;
    }
}

TEST(Timestamp, CountsWithDurations) {
    using std::chrono::microseconds;
    using std::chrono::seconds;
    const Timestamp time{10'000'000};
    EXPECT_EQ(time + seconds(1), Timestamp{11'000'000});
    EXPECT_EQ(time - microseconds(1), Timestamp{9'999'999});
    EXPECT_EQ(time - Timestamp{1}, microseconds(9'999'999));
    EXPECT_LT(time, time + microseconds(1));
}

TEST(Timestamp, NowIsBetweenTwoReadingsOfTheClock) {
    const auto reading = [] {
        return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())
            .time_since_epoch()
            .count();
    };
    const auto before = reading();
    const Timestamp now = Timestamp::now();
    EXPECT_LE(before, now.micros);
    EXPECT_LE(now.micros, reading());
}

}  // namespace
}  // namespace loadstone
