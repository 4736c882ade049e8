#pragma once
// reports' own: a report that is being written. Lives on the handler's frame.

#include <memory>
#include <string>

#include "campus/reports/commands.h"
#include "campus/reports/report_file.h"
#include "campus/reports/reports.h"
#include "campus/reports/sql.h"
#include "loadstone/runtime/lane.h"

namespace campus::reports {

struct Writing {
    loadstone::Context& context;
    const loadstone::Job<MakeReport>& job;
    loadstone::runtime::Lane& lane;
    const std::string folder;
    sql::ReportRow report;
    Step step;
    std::unique_ptr<ReportFile> file;
    std::string text;       // not written yet
    bool is_saved = false;  // a step names this attempt's file

    std::string file_name() const;  // of this attempt
};

// How far it is, so that the next attempt goes on there.
loadstone::Task<void> save(Writing& writing);

// "csv" or "parquet".
const char* ending_of(const std::string& kind);

// The kinds activity_csv and activity_parquet: what learners did in the courses that the owner
// teaches, and for an admin in those of the organisation, as the column store tells it. The store
// makes the file anew at each attempt, and it is copied here.
loadstone::Task<void> write_activity(Writing& writing);

}  // namespace campus::reports
