#include "campus/audit/routes.h"

#include <limits>
#include <optional>

#include "campus/audit/queries.h"

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
    const int limit = page->limit.value_or(50);
    const std::int64_t before = page->before.value_or(std::numeric_limits<std::int64_t>::max());
    Reply<Log> reply;
    // One more than the page: whether there is a next one.
    auto& entries = reply.body.entries;
    entries = co_await entries_of_user(context.reader(), context.require_session().user, before,
                                       limit + 1);
    if (entries.size() > static_cast<std::size_t>(limit)) {
        entries.pop_back();
        reply.body.next_before = entries.back().id;
    }
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.get("/api/audit", own_log).summary_is("What was done with this account, newest first");
}

}  // namespace campus::audit
