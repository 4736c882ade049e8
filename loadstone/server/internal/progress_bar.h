#pragma once
// How far a command is, on stderr, so that stdout stays its answer.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "loadstone/module/progress.h"

namespace loadstone::server::internal {

// "learners  [#####.....]  50 %  1000/2000  0:10 left", of at most `columns`, without a line end.
// Pure. What is left is known from the first tenth of a second on.
std::string bar_of(std::string_view what, std::int64_t done, std::int64_t total,
                   std::chrono::milliseconds elapsed, int columns);

class ProgressBar final : public module::Progress {
public:
    ProgressBar();
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    void show(std::string_view what, std::int64_t done, std::int64_t total) override;

private:
    using Clock = std::chrono::steady_clock;

    bool is_terminal_;
    bool is_drawn_ = false;  // the terminal's line is begun
    std::string what_;
    Clock::time_point began_, shown_;
};

}  // namespace loadstone::server::internal
