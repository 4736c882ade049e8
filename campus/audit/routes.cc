#include "campus/audit/routes.h"

#include <limits>
#include <optional>
#include <utility>

#include "campus/audit/audit.h"
#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

namespace {

struct PageOfLog {
    std::optional<std::int64_t> before;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfLog, (), (before, limit))

void validate(Check& check, const PageOfLog& page) {
    check.range("limit", page.limit.value_or(50), 1, 200);
    check.range("before", page.before.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
}

struct Log {
    std::vector<Entry> entries;
    std::optional<std::int64_t> next_before;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Log, (), (entries, next_before))

Task<Reply<Log>> own_log(Context& context, Parameters<PageOfLog> page) {
    std::optional<sql::EventsOfUserCursor> before;
    if (page->before) before.emplace().id = *page->before;
    auto found = co_await sql::events_of_user(context.reader(), context.require_session().user,
                                              page->limit.value_or(50), before);
    Reply<Log> reply;
    reply.body.entries = std::move(found.rows);
    if (found.next) reply.body.next_before = found.next->id;
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.get("/api/audit", own_log).summary_is("What was done with this account, newest first");
}

}  // namespace campus::audit
