#pragma once
// learning's own: reads that are more than one statement of sql/.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "campus/learning/grade.h"
#include "campus/learning/learning.h"
#include "campus/learning/slices.h"
#include "campus/learning/sql.h"

namespace campus::learning {

loadstone::Task<std::int64_t> seats_taken(loadstone::Reader reader, courses::CourseId course);

// Of those of `ids` that belong to one.
loadstone::Task<std::unordered_map<courses::CourseId, organisations::OrganisationId>>
organisations_of(loadstone::Reader reader, std::vector<courses::CourseId> ids);

std::vector<WeighedQuiz> scheme_of(const sql::RunRow& run);
Statistics statistics_of(const sql::RunRow& run);

// By user and quiz, of the attempts of a slice's users before the run.
loadstone::Task<std::vector<BestPoints>> best_points_in(loadstone::Reader reader,
                                                        const sql::RunRow& run, const Slice& slice);

}  // namespace campus::learning
