#pragma once

#include "campus/reports/reports.h"
#include "loadstone/jobs/job.h"

namespace campus::reports {

// The handler of MakeReport. It saves how far it has come after each piece; the next attempt
// copies what was saved and goes on there. Memory stays flat, and no read is open while it writes.
loadstone::Task<void> make_report(loadstone::Context& context, loadstone::Job<MakeReport> job);

inline constexpr int attempts_max = 5;  // of MakeReport

}  // namespace campus::reports
