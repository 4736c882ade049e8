#pragma once
// Span: the account of one request, job or tick. Plain data, owned by whoever runs the work,
// written by one thread at a time (the thread that runs the current slice), read when it is
// finished.

#include <array>
#include <cstddef>
#include <cstdint>

#include "loadstone/telemetry/repeats.h"
#include "loadstone/telemetry/tsc.h"
#include "loadstone/telemetry/wait_kind.h"

namespace loadstone::telemetry {

// A label of something that is counted (a route, a job kind, a named query): an index into the
// tables of every shard, given out once by Registry. 0 is "other".
using LabelIndex = std::uint16_t;

struct QueryUse {
    LabelIndex query = 0;
    std::uint64_t calls = 0;
    std::uint64_t ns = 0;
    std::uint64_t rows = 0;
};

struct Span {
    // With more, the last entry is "other" and holds the rest.
    static constexpr std::size_t queries_max = 8;

    LabelIndex label = 0;
    const char* name = "";  // of the label; static for the program's life
    std::uint64_t started_tsc = 0;
    std::uint64_t cpu_tsc = 0;   // sum of slices; scaled by the loop's CPU share when recorded
    std::uint64_t lane_tsc = 0;  // of it, on other threads than the loop's
    std::uint32_t slices = 0;
    std::uint64_t allocations = 0;
    std::uint64_t allocated_bytes = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint32_t statements = 0;
    std::uint64_t rows = 0;
    std::array<std::uint64_t, wait_kind_count> wait_ns{};
    std::uint64_t id = 0;     // unique in the process
    std::uint64_t cause = 0;  // span id of the request or job that caused it, 0 if none
    bool failed = false;
    std::array<QueryUse, queries_max> queries{};
    std::uint8_t query_count = 0;
    Repeats repeats;  // of statements at one place in the code

    void start(LabelIndex what, const char* what_name) noexcept {
        *this = Span{};
        label = what;
        name = what_name;
        started_tsc = tsc();
    }
    void waited(WaitKind kind, std::uint64_t ns) noexcept {
        wait_ns[static_cast<std::size_t>(kind)] += ns;
    }
    // One statement: adds to `statements`, `rows` and the query's entry; 0 is one without a name.
    void used_query(LabelIndex query, std::uint64_t ns, std::uint64_t rows_read) noexcept;
};

// Adds the time from construction to stop() or destruction to one wait kind of a span.
class Wait {
public:
    Wait(Span& span, WaitKind kind) noexcept : span_(&span), kind_(kind), started_(tsc()) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { stop(); }
    void stop() noexcept {
        if (span_ == nullptr) return;
        span_->waited(kind_, tsc_to_ns(tsc() - started_));
        span_ = nullptr;
    }

private:
    Span* span_;
    WaitKind kind_;
    std::uint64_t started_;
};

}  // namespace loadstone::telemetry
