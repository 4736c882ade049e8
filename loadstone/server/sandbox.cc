#include "loadstone/server/internal/sandbox.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "loadstone/base/child_process.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

namespace loadstone::server::internal {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds idle_max{5'000};
constexpr milliseconds look_pause{200};
// Between an end and the next start: twice as long each time where one has died or run nothing.
constexpr milliseconds pause_first{500}, pause_max{60'000};
constexpr std::size_t transactions_max = 4;  // claim, lease, job and its end

// One that was told to end before it was ready to be told dies of that.
bool was_told(const siginfo_t& end) {
    return end.si_code == CLD_KILLED && end.si_status == SIGTERM;
}

bool has_died(const siginfo_t& end) {
    const bool is_good = end.si_status == 0 || end.si_status == ran_nothing;
    return (end.si_code != CLD_EXITED || !is_good) && !was_told(end);
}

void tell_end(pid_t pid, const siginfo_t& end) {
    const bool was_signal = end.si_code != CLD_EXITED && !was_told(end);
    if (was_signal) {
        log::error("the sandbox was ended by a signal: the job that it ran, if any, is blamed",
                   {{"pid", static_cast<std::int64_t>(pid)},
                    {"signal", end.si_status},
                    {"name", strsignal(end.si_status)}});
    } else if (has_died(end)) {
        log::error("the sandbox has ended: its own lines in the log say why",
                   {{"pid", static_cast<std::int64_t>(pid)}, {"status", end.si_status}});
    } else {
        log::info("the sandbox has ended", {{"pid", static_cast<std::int64_t>(pid)}});
    }
}

}  // namespace

Sandbox::Sandbox(std::vector<std::string> arguments, std::function<void()> has_ended,
                 telemetry::Registry& registry)
    : arguments_(std::move(arguments)),
      has_ended_(std::move(has_ended)),
      starts_(registry.counter("loadstone_jobs_sandboxes_total", "",
                               "Processes that were started for jobs that may kill theirs")),
      deaths_(registry.counter("loadstone_jobs_sandbox_deaths_total", "",
                               "Of these, how many did not end by themselves")),
      thread_([this] { tend(); }) {}

Sandbox::~Sandbox() { join(runtime::Deadline::in(milliseconds(0))); }

void Sandbox::need() {
    // While one is started or runs it is known, and nobody waits here for that.
    if (is_needed_.exchange(true)) return;
    {
        // Whoever has looked before waits by now.
        const std::lock_guard lock(mutex_);
    }
    changed_.notify_all();
}

void Sandbox::ask_to_end() {
    {
        const std::lock_guard lock(mutex_);
        // Once: a second one would end it at once.
        if (!std::exchange(is_ending_, true) && pid_ > 0) ::kill(pid_, SIGTERM);
    }
    changed_.notify_all();
}

void Sandbox::join(runtime::Deadline deadline) {
    if (!thread_.joinable()) return;
    ask_to_end();
    {
        std::unique_lock lock(mutex_);
        const auto left = deadline.instant() - runtime::Deadline::Clock::now();
        const auto has_ended = [this] { return has_ended_for_good_; };
        if (!changed_.wait_for(lock, left, has_ended) && pid_ > 0) ::kill(pid_, SIGKILL);
    }
    thread_.join();
}

void Sandbox::tend() {
    std::unique_lock lock(mutex_);
    milliseconds pause = pause_first;
    auto next_at = Clock::now();
    while (true) {
        changed_.wait(lock, [this] { return is_ending_ || is_needed_; });
        changed_.wait_until(lock, next_at, [this] { return is_ending_; });
        if (is_ending_) break;
        const bool was_of_use = run_one(lock);
        pause = was_of_use ? pause_first : std::min(2 * pause, pause_max);
        next_at = Clock::now() + pause;
        lock.unlock();
        has_ended_();
        lock.lock();
        is_needed_ = false;
    }
    has_ended_for_good_ = true;
    changed_.notify_all();
}

bool Sandbox::run_one(std::unique_lock<std::mutex>& lock) {
    Child child;
    try {
        child = spawn_child("/proc/self/exe", arguments_);
    } catch (const Error& error) {
        log::error("jobs that may kill their process wait", {{"error", error.message()}});
        return false;
    }
    pid_ = child.pid;
    starts_.add(1);
    log::info("jobs that may kill their process run in a sandbox",
              {{"pid", static_cast<std::int64_t>(child.pid)}});
    siginfo_t end{};
    lock.unlock();
    // Its pid is no other's until it is reaped, so that a signal meets it or nobody.
    while (::waitid(P_PID, static_cast<id_t>(child.pid), &end, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    lock.lock();
    ::waitpid(child.pid, nullptr, 0);
    ::close(child.socket);
    pid_ = -1;
    if (has_died(end)) deaths_.add(1);
    tell_end(child.pid, end);
    return end.si_code == CLD_EXITED && end.si_status == 0;
}

Config as_sandbox(Config config, const std::string& url) {
    config.role = Role::sandbox;
    config.site.url = url;
    config.threads = config.cpu_threads = 1;
    config.drain_delay = milliseconds(0);
    config.jobs.is_sandbox = true;
    config.jobs.running_max = config.jobs.claim_batch_max = 1;
    config.database.transactions_max = std::min(config.database.transactions_max, transactions_max);
    config.cache_is_warm = false;
    config.analytics.makes_store = false;
    return config;
}

void be_the_first_to_go() {
    std::FILE* const file = std::fopen("/proc/self/oom_score_adj", "w");
    if (file == nullptr) return;
    std::fputs("1000", file);
    std::fclose(file);
}

int wait_in_sandbox(const sigset_t& signals,
                    const std::function<jobs::Runner::SandboxState()>& look) {
    for (auto state = look(); state.idle_for < idle_max && !state.is_stuck; state = look()) {
        pollfd parent{STDIN_FILENO, POLLIN, 0};
        if (::poll(&parent, 1, 0) > 0) break;
        const timespec look_every{0, std::chrono::nanoseconds(look_pause).count()};
        const int received = ::sigtimedwait(&signals, nullptr, &look_every);
        if (received > 0) return received;
    }
    return 0;
}

}  // namespace loadstone::server::internal
