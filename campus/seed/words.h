#pragma once
// Names of people and titles of courses. Pure.

#include <cstdint>
#include <string>

#include "campus/accounts/accounts.h"
#include "loadstone/base/random.h"

namespace campus::seed {

// Number `number` among the seeded, which is in the address, so that no two are the same.
accounts::SeededUser person(loadstone::Random& random, std::int64_t number,
                            loadstone::Timestamp created_at);
// With the number in it.
std::string course_title(loadstone::Random& random, std::int64_t number);
std::string lesson_title(loadstone::Random& random);

}  // namespace campus::seed
