#pragma once
// Run: one run of a job, told in history/PID below the working directory: a line when it starts and
// a line when it ends, as JSON. A line is one write() at the end of the file, so that it is whole
// and outlives the process. Times are of the steady clock, which all processes of a machine share.

#include <cstdint>
#include <string_view>

#include "loadstone/jobs/job.h"

namespace storm {

class Run {
public:
    template <class T>
    explicit Run(const loadstone::Job<T>& job)
        : lease_(job.lease()), number_(job->number), attempt_(job.attempt()) {
        write("start", "");
    }
    // "done", or the code of the error that ended it.
    void end(std::string_view how) const { write("end", how); }
    // The effect that a job has on the world outside: a line that is on the disk.
    void act() const;

    const loadstone::jobs::Lease& lease() const noexcept { return lease_; }
    std::int64_t number() const noexcept { return number_; }
    std::int64_t attempt() const noexcept { return attempt_; }

private:
    void write(std::string_view event, std::string_view how) const;

    loadstone::jobs::Lease lease_;
    std::int64_t number_;
    std::int64_t attempt_;
};

}  // namespace storm
