#pragma once
// discussions: threads of a course and posts in them, by its learners and its instructor. A post
// takes its number from its thread's row, in the transaction that writes it: numbers have no gaps,
// and none is seen before a lower one. Whose thread or post was answered is mailed, once an hour
// and thread at most.

#include <cstdint>
#include <string>

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::discussions {

loadstone::Module module();

struct ThreadTag {};
using ThreadId = loadstone::Id<ThreadTag>;

// The event: a post is there. The first one of a thread begins it.
struct PostPublished {
    courses::CourseId course;
    ThreadId thread;
    std::int64_t number = 0;  // of the post in its thread, from 1
};
BOOST_DESCRIBE_STRUCT(PostPublished, (), (course, thread, number))

// The job that tells somebody of a post by mail.
struct SendPostNotice {
    courses::CourseId course;
    ThreadId thread;
    std::int64_t number = 0;
    accounts::UserId recipient;
    accounts::UserId author;  // of the post
    std::string provider;     // of the recipient's mail
    std::string tenant;       // the author's organisation, or else the author
};
BOOST_DESCRIBE_STRUCT(SendPostNotice, (),
                      (course, thread, number, recipient, author, provider, tenant))

}  // namespace campus::discussions
