#include "campus/seed/operator_commands.h"
#include "campus/seed/seed.h"

namespace campus::seed {

loadstone::Module module() {
    return {
        .name = "seed",
        .depends_on = {"accounts", "audit", "courses", "learning", "organisations"},
        .commands = {{.name = "seed",
                      .help = "Make data as of a year of use, in a database without users",
                      .run = seed_command,
                      .options = {{"users", "how many; 100000"},
                                  {"courses", "how many; 1 for 50 users, 10 at least"},
                                  {"progress", "lessons that are begun; 20 for each user"},
                                  {"seed", "the same seed gives the same data; 1"},
                                  {.name = "until",
                                   .help = "the day before which all happens; today",
                                   .hint = "YYYY-MM-DD"},
                                  {.name = "add",
                                   .help = "to the users that there are",
                                   .is_switch = true}},
                      .deadline = std::chrono::hours(6)}},
    };
}

}  // namespace campus::seed
