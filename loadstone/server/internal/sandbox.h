#pragma once
// Sandbox: a second process of this program that runs the jobs whose next crash buries them
// (jobs/runner.h), one at a time and nothing else: when it dies no request and no other job dies
// with it, and the kernel that runs out of memory takes it first. It is started when such jobs
// wait, ends by itself when none is left, and ends when its parent does, by whatever way.

#include <signal.h>
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/jobs/runner.h"
#include "loadstone/runtime/clock.h"
#include "loadstone/server/config.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::server::internal {

class Sandbox {
public:
    // `arguments`: of this program, its name first, to be a sandbox. `has_ended` is called from a
    // thread of its own after each end.
    Sandbox(std::vector<std::string> arguments, std::function<void()> has_ended,
            telemetry::Registry& registry);
    ~Sandbox();  // kills one that runs

    // Suspects wait. From any thread; does not block.
    void need();
    // It is to end what it runs, as the server does, and none is started any more.
    void ask_to_end();
    // Until it has ended; at the deadline it is killed.
    void join(runtime::Deadline deadline);

private:
    void tend();
    // True: it has run something, and ended well.
    bool run_one(std::unique_lock<std::mutex>& lock);

    const std::vector<std::string> arguments_;
    const std::function<void()> has_ended_;
    telemetry::Counter &starts_, &deaths_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<bool> is_needed_{false};  // until the end of the one that was started for it
    bool is_ending_ = false;
    bool has_ended_for_good_ = false;
    pid_t pid_ = -1;
    std::thread thread_;
};

// What a sandbox is of the settings of the server with this URL: one job at a time, one loop, few
// connections.
Config as_sandbox(Config config, const std::string& url);
inline constexpr int ran_nothing = 3;  // the exit status of one that has had nothing to run

// For the kernel that runs out of memory. Any process may say so of itself.
void be_the_first_to_go();

// Of the sandbox itself: until it has had nothing to run for a while, its parent has ended (0), or
// a signal of `signals` (blocked) has come: gives that.
int wait_in_sandbox(const sigset_t& signals,
                    const std::function<jobs::Runner::SandboxState()>& look);

}  // namespace loadstone::server::internal
