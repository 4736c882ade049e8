// Any bytes as a cron expression, in one of several zones and from any instant: what is read is
// read again the same from what it says, firings are behind the instant and the first there, and
// one firing for all is the last of all.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/cron.h"

namespace {

using namespace loadstone;        // NOLINT(google-build-using-namespace)
using namespace loadstone::jobs;  // NOLINT(google-build-using-namespace)

constexpr std::string_view zones[] = {"UTC",          "Europe/Berlin", "Australia/Lord_Howe",
                                      "Pacific/Apia", "Africa/Cairo",  "America/St_Johns"};
constexpr std::size_t firings_max = 2'000;

void check_firing(const Schedule& schedule, Timestamp time, Timestamp next) {
    LOADSTONE_ASSERT(next > time, "a firing is behind the instant");
    LOADSTONE_ASSERT(schedule.next_after(next - std::chrono::microseconds(1)) == next,
                     "and is found from right before it");
    const Timestamp from = std::max(time, timestamp_text_min);
    LOADSTONE_ASSERT(schedule.next_after(from + (next - from) / 2) == next || next <= from,
                     "and from anywhere between");
}

void check_due(const Schedule& schedule, Timestamp time, Timestamp now) {
    const auto all = due_firings(schedule, time, now, MissedFire::all, firings_max);
    const auto once = due_firings(schedule, time, now, MissedFire::once, firings_max);
    LOADSTONE_ASSERT(once.size() == std::min<std::size_t>(all.size(), 1), "one stands for all");
    LOADSTONE_ASSERT(std::ranges::is_sorted(all), "the oldest come first");
    LOADSTONE_ASSERT(all.empty() || all.size() == firings_max || once.front() == all.back(),
                     "it is the latest");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Timestamp time;
    if (size < 1 + sizeof time.micros) return 0;
    std::memcpy(&time.micros, data + 1, sizeof time.micros);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto schedule =
        Schedule::parse(text.substr(1 + sizeof time.micros), zones[data[0] % std::size(zones)]);
    if (!schedule) {
        LOADSTONE_ASSERT(!schedule.error().field().empty(), "a refusal names its field");
        return 0;
    }
    const auto again = Schedule::parse(schedule->expression(), schedule->zone());
    LOADSTONE_ASSERT(again && *again == *schedule, "what it says is read the same");
    const Timestamp next = schedule->next_after(time);
    if (next == Schedule::never) return 0;
    check_firing(*schedule, time, next);
    check_due(*schedule, time, next + std::chrono::hours(30));
    return 0;
}
