#pragma once
// Who is told of a post. Pure.

#include <optional>
#include <vector>

#include "campus/accounts/accounts.h"

namespace campus::discussions {

// The author of the thread and the one whose post it answers; each once, and not the one who posts.
std::vector<accounts::UserId> whom_to_tell(accounts::UserId poster, accounts::UserId thread_author,
                                           std::optional<accounts::UserId> answered);

}  // namespace campus::discussions
