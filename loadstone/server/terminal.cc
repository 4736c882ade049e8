#include "loadstone/server/internal/terminal.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "loadstone/base/error.h"

namespace loadstone::server::internal {

namespace {

// ECMA-48 and xterm's private modes.
constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";  // own screen, no cursor,
                                                                           // no wrapping
constexpr std::string_view leave = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr std::string_view home = "\x1b[H";
constexpr std::string_view clear_line = "\x1b[K";
constexpr std::string_view clear_below = "\x1b[J";
constexpr char interrupt_key = '\x03';

sigset_t watched_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&signals, number);
    return signals;
}

bool write_out(std::string_view text) {
    while (!text.empty()) {
        const auto written = write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

StopSignals::StopSignals() {
    const sigset_t signals = watched_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    descriptor_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor_ < 0) throw Error(Errc::internal, "signals cannot be watched");
}

StopSignals::~StopSignals() { close(descriptor_); }

int StopSignals::take() const {
    signalfd_siginfo info{};
    return read(descriptor_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                                : 0;
}

bool StopSignals::sleep_until(std::chrono::steady_clock::time_point time) const {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now());
        pollfd waited{descriptor_, POLLIN, 0};
        poll(&waited, 1, std::max(0, static_cast<int>(left.count())));
        while (const int number = take()) {
            if (number != SIGWINCH) return false;
        }
        if (std::chrono::steady_clock::now() >= time) return true;
    }
}

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }

LiveTerminal::LiveTerminal(const StopSignals& signals) : signals_(&signals) {
    termios now{};
    if (isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &now) == 0) {
        before_ = now;
        // Keys at once and unseen. Ctrl-C stays a signal; Ctrl-Z would leave the screen as it is.
        now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        now.c_cc[VSUSP] = _POSIX_VDISABLE;
        now.c_cc[VMIN] = 0;
        now.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &now);
    }
    write_out(enter);
}

LiveTerminal::~LiveTerminal() {
    write_out(leave);
    if (before_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &*before_);
}

LiveTerminal::Size LiveTerminal::size() const {
    Size size;
    winsize found{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0 && found.ws_row > 0)
        size = {found.ws_col, found.ws_row};
    return size;
}

void LiveTerminal::show(const std::vector<std::string>& lines) {
    std::string frame(home);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) frame += "\r\n";
        frame += lines[i];
        frame += clear_line;
    }
    frame += clear_below;
    write_out(frame);
}

LiveTerminal::Event LiveTerminal::wait(std::chrono::milliseconds time) {
    std::array<pollfd, 2> waited{{{signals_->descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    const nfds_t count = before_ ? 2 : 1;
    const int found = poll(waited.data(), count, static_cast<int>(time.count()));
    if (found <= 0) return Event::none;
    if (waited[0].revents != 0) return take_signals();
    return read_keys();
}

LiveTerminal::Event LiveTerminal::take_signals() const {
    Event event = Event::none;
    while (const int number = signals_->take()) {
        if (number != SIGWINCH) return Event::quit;
        event = Event::resized;
    }
    return event;
}

LiveTerminal::Event LiveTerminal::read_keys() {
    std::array<char, 64> keys{};
    const auto count = read(STDIN_FILENO, keys.data(), keys.size());
    if (count <= 0) return Event::quit;  // its other end is gone
    const std::string_view pressed(keys.data(), static_cast<std::size_t>(count));
    const bool ends = pressed.find_first_of("qQ") != std::string_view::npos ||
                      pressed.find(interrupt_key) != std::string_view::npos;
    return ends ? Event::quit : Event::none;
}

}  // namespace loadstone::server::internal
