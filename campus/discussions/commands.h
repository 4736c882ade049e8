#pragma once
// discussions' own: writes. Each is one transaction. REQUIRES of whoever writes that they take part
// in the course. Errc::not_found: the course has no such thread, or the thread no such post.

#include <chrono>
#include <optional>
#include <string>

#include "campus/discussions/discussions.h"
#include "loadstone/base/error.h"

namespace campus::discussions {

inline constexpr std::int64_t posts_max = 10'000;      // of a thread
inline constexpr std::int64_t threads_a_day_max = 20;  // of one user in a course
inline constexpr std::chrono::hours edited_within{24};

// Who writes.
struct Member {
    courses::CourseId course;
    accounts::UserId user;
    bool is_instructor = false;
    std::string address;  // of the client, for the audit log
};

loadstone::Error no_such_thread(courses::CourseId course, ThreadId thread);
loadstone::Error no_such_post(ThreadId thread, std::int64_t number);

// The thread with its first post. Errc::resource_exhausted: threads_a_day_max. (Those of the same
// moment may be more.)
loadstone::Task<ThreadId> start_thread(loadstone::Tx& tx, Member author, std::string title,
                                       std::string text);

struct NewPost {
    ThreadId thread;
    std::string text;
    std::optional<std::int64_t> answers;  // number of a post of the thread
};
// Gives its number. Errc::conflict: the thread is locked, or has posts_max; invalid_argument of
// `answers`. An instructor posts in locked threads too.
loadstone::Task<std::int64_t> publish_post(loadstone::Tx& tx, Member author, NewPost post);

// Errc::permission_denied: it is another's; conflict: it is removed, edited_within has passed, or
// the thread is locked.
loadstone::Task<void> edit_post(loadstone::Tx& tx, Member author, ThreadId thread,
                                std::int64_t number, std::string text);

// The text is gone, the number stays. Nothing if it is removed already. Errc::permission_denied: it
// is another's, and the member is not the instructor.
loadstone::Task<void> remove_post(loadstone::Tx& tx, Member remover, ThreadId thread,
                                  std::int64_t number);

// REQUIRES the instructor, as the next one. What is not said stays as it is.
loadstone::Task<void> mark_thread(loadstone::Tx& tx, Member instructor, ThreadId thread,
                                  std::optional<bool> pinned, std::optional<bool> locked);
loadstone::Task<void> remove_thread(loadstone::Tx& tx, Member instructor, ThreadId thread);

// Up to which post somebody has read; it never falls. Errc::invalid_argument of `number`: there is
// no such post yet.
loadstone::Task<void> mark_read(loadstone::Tx& tx, Member reader, ThreadId thread,
                                std::int64_t number);

}  // namespace campus::discussions
