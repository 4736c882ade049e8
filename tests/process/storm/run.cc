#include "tests/process/storm/run.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "loadstone/base/assert.h"

namespace storm {

namespace {

// A file that is only added to, by this process or by all.
class Log {
public:
    explicit Log(const std::string& path)
        : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
        LOADSTONE_ASSERT(file_ >= 0, "the folder history/ is made by the test");
    }
    ~Log() { ::close(file_); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    void add(const std::string& line) const {
        const auto written = ::write(file_, line.data(), line.size());
        LOADSTONE_ASSERT(written == static_cast<ssize_t>(line.size()), "a line is written whole");
    }
    void sync() const { ::fdatasync(file_); }

private:
    int file_;
};

const Log& runs_of_this_process() {
    static const Log log(fmt::format("history/{}", getpid()));
    return log;
}

}  // namespace

void Run::write(std::string_view event, std::string_view how) const {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto line = fmt::format(R"({{"event":"{}","how":"{}","at":{},"pid":{},"number":{},)"
                                  R"("job":{},"process":{},"batch":{},"attempt":{}}})"
                                  "\n",
                                  event, how, std::chrono::nanoseconds(now).count(), getpid(),
                                  number_, lease_.job, lease_.process, lease_.batch, attempt_);
    runs_of_this_process().add(line);
}

void Run::act() const {
    static const Log effects("history/effects");
    effects.add(fmt::format("{} {} {} {}\n", number_, lease_.job, lease_.batch, attempt_));
    effects.sync();
}

}  // namespace storm
