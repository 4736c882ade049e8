#pragma once
// The terminal while a command shows something live: a screen of its own, keys as they are
// pressed, and all as it was before when it ends, also by a signal or an error.

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace loadstone::server::internal {

// From its construction on the signals that end a program are told here and end nothing. Made
// before any thread is.
class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    int descriptor() const noexcept { return descriptor_; }
    // False: one that ends the program has come.
    bool sleep_until(std::chrono::steady_clock::time_point time) const;
    // The next one of those that have come; none: 0.
    int take() const;

private:
    int descriptor_ = -1;
};

bool stdout_is_terminal();

class LiveTerminal {
public:
    // stdout is a terminal. Keys are read where stdin is one too.
    explicit LiveTerminal(const StopSignals& signals);
    ~LiveTerminal();
    LiveTerminal(const LiveTerminal&) = delete;
    LiveTerminal& operator=(const LiveTerminal&) = delete;

    struct Size {
        int width = 80, height = 24;
    };
    Size size() const;
    // In one write, over what stood there: no line is ever empty in between. The lines hold no
    // control characters and are no wider than the terminal.
    void show(const std::vector<std::string>& lines);

    enum class Event {
        none,     // the time is over
        resized,  // the terminal is
        quit,     // q, Ctrl-C, SIGINT, SIGTERM, SIGHUP, or nobody is there any more
    };
    Event wait(std::chrono::milliseconds time);

private:
    Event take_signals() const;
    Event read_keys();

    const StopSignals* signals_;
    std::optional<termios> before_;  // of stdin
};

}  // namespace loadstone::server::internal
