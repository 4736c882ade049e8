#include "campus/discussions/notices.h"

namespace campus::discussions {

std::vector<accounts::UserId> whom_to_tell(accounts::UserId poster, accounts::UserId thread_author,
                                           std::optional<accounts::UserId> answered) {
    std::vector<accounts::UserId> told;
    if (thread_author != poster) told.push_back(thread_author);
    if (answered && *answered != poster && *answered != thread_author) told.push_back(*answered);
    return told;
}

}  // namespace campus::discussions
