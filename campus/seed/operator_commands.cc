#include "campus/seed/operator_commands.h"

#include <fmt/core.h>

#include "campus/seed/options.h"
#include "campus/seed/seeding.h"
#include "loadstone/base/error.h"
#include "loadstone/base/random.h"

namespace campus::seed {

using namespace loadstone;

Task<std::string> seed_command(Context& context, std::vector<std::string> arguments) {
    const Timestamp now = Timestamp::now();
    const Options options = options_of(arguments, now);
    const std::int64_t newest = co_await accounts::newest_user(context.reader());
    if (newest > 0 && !options.is_added)
        throw Error(Errc::conflict,
                    fmt::format("this database has users already, the newest is {}: it is in use, "
                                "or a seed was ended in the middle. With --add seed adds to them; "
                                "nothing takes that back",
                                newest));
    // Nobody can foresee it, so a server with seeded users is not open to all.
    const std::string password = secret_token(12);
    const std::string hash = accounts::hash_for_seed(password);
    Seeding seeding(context, options, newest);
    const Seeded seeded = co_await seeding.run(hash);
    std::string out = fmt::format(
        "{} users, {} of them instructors of {} courses; {} enrolments, {} completed;\n"
        "{} lessons begun, {} attempts, {} grades, {} audit events of learners;\n"
        "{} organisations with {} members\n",
        seeded.users, seeded.instructors, seeded.courses, seeded.enrolments, seeded.completions,
        seeded.progress, seeded.attempts, seeded.grades, seeded.events, seeded.organisations,
        seeded.members);
    out += fmt::format(
        "Sign in as one of them, {} or the instructor {}, with the password {}\n"
        "It is the same for all who were seeded now, and shown this once. The largest "
        "organisation's\n"
        "admin is {}\n",
        seeded.learner_email, seeded.instructor_email, password, seeded.admin_email);
    co_return out;
}

}  // namespace campus::seed
