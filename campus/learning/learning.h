#pragma once
// learning: who takes part in which course, how far they have come, and their grades. Seats are
// counted in one row per course, in the transaction that enrols, so no seat is given twice. Grades
// are calculated as a batch of jobs, a slice of the learners each; the last one ends the run and
// its instructor is mailed.

#include <string>

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::learning {

loadstone::Module module();

// Whether somebody is enrolled now.
loadstone::Task<bool> takes_part(loadstone::Reader reader, courses::CourseId course,
                                 accounts::UserId user);

struct RunTag {};
using RunId = loadstone::Id<RunTag>;

// The job that cuts the learners of a large course into slices; small ones are cut at once.
struct PlanGrades {
    RunId run;
};
BOOST_DESCRIBE_STRUCT(PlanGrades, (), (run))

// The job that grades one slice. Courses get equal shares of them.
struct GradeSlice {
    RunId run;
    courses::CourseId course;
    std::int64_t slice = 0;  // its number
};
BOOST_DESCRIBE_STRUCT(GradeSlice, (), (run, course, slice))

// The job that ends a run, when all its slices have ended.
struct FinishGrades {
    RunId run;
};
BOOST_DESCRIBE_STRUCT(FinishGrades, (), (run))

// The job that tells the instructor.
struct SendGradesNotice {
    RunId run;
    accounts::UserId instructor;
    std::string provider;  // of the instructor's mail
};
BOOST_DESCRIBE_STRUCT(SendGradesNotice, (), (run, instructor, provider))

// The job that gives up runs that nothing will end.
struct CloseStrandedRuns {};
BOOST_DESCRIBE_STRUCT(CloseStrandedRuns, (), ())

}  // namespace campus::learning
