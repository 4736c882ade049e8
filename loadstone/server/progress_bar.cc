#include "loadstone/server/internal/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace loadstone::server::internal {

namespace {

using std::chrono::milliseconds;

constexpr int bar_columns = 30;
constexpr int columns_usual = 80;
constexpr milliseconds drawn_every{100};
constexpr milliseconds line_every{5'000};
constexpr std::string_view to_line_start = "\r\x1b[K";

std::string time_left(std::int64_t done, std::int64_t total, milliseconds elapsed) {
    if (done <= 0 || done >= total || elapsed < milliseconds(100)) return "";
    const double share = static_cast<double>(total - done) / static_cast<double>(done);
    const auto seconds =
        static_cast<std::int64_t>(share * static_cast<double>(elapsed.count()) / 1e3);
    return fmt::format("  {}:{:02} left", seconds / 60, seconds % 60);
}

int terminal_columns() {
    winsize found{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0) return found.ws_col;
    return columns_usual;
}

}  // namespace

std::string bar_of(std::string_view what, std::int64_t done, std::int64_t total,
                   milliseconds elapsed, int columns) {
    const std::int64_t whole = std::max<std::int64_t>(total, 1);
    const std::int64_t part = std::clamp<std::int64_t>(done, 0, whole);
    const auto filled = static_cast<std::size_t>(part * bar_columns / whole);
    const std::string left = time_left(part, whole, elapsed);
    std::string line =
        fmt::format("{:<9} [{:.<{}}] {:>3} %  {}/{}{}", what, std::string(filled, '#'), bar_columns,
                    part * 100 / whole, done, total, left);
    // The last column stays free: some terminals begin a new line when it is written.
    line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(columns - 1, 0))));
    return line;
}

ProgressBar::ProgressBar() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
    if (is_drawn_) fmt::print(stderr, "\n");
}

void ProgressBar::show(std::string_view what, std::int64_t done, std::int64_t total) {
    const auto now = Clock::now();
    const bool is_new = what != what_;
    const bool is_end = done >= total;
    const auto every = is_terminal_ ? drawn_every : line_every;
    if (!is_new && !is_end && now - shown_ < every) return;
    if (is_new) {
        if (is_drawn_) fmt::print(stderr, "\n");
        what_ = what;
        began_ = now;
    }
    shown_ = now;
    const auto elapsed = std::chrono::duration_cast<milliseconds>(now - began_);
    if (is_terminal_) {
        is_drawn_ = true;
        fmt::print(stderr, "{}{}", to_line_start,
                   bar_of(what, done, total, elapsed, terminal_columns()));
        std::fflush(stderr);
    } else {
        fmt::print(stderr, "{}: {} of {}{}\n", what, done, total, time_left(done, total, elapsed));
    }
}

}  // namespace loadstone::server::internal
