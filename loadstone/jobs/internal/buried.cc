#include "loadstone/jobs/internal/buried.h"

#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/new_job.h"
#include "loadstone/jobs/queue.h"

namespace loadstone::jobs::internal {

namespace {

// Nothing: its arguments are what nobody can read, which may be why it is buried. The outcome is
// recorded nevertheless.
std::optional<NewJob> telling(const Queue& queue, const std::string& subscriber,
                              const StoredJob& job) {
    try {
        const Kind* const kind = queue.find(job.kind);
        const int version = extra_of(job.extra).version;
        std::string arguments = job.arguments;
        if (kind != nullptr && kind->upcast && version < kind->version)
            arguments = kind->upcast(version, std::move(arguments));
        NewJob told = new_job(queue.known(subscriber), std::move(arguments), 0);
        // JSON has U+0000, a key of text in a database has not.
        if ((told.partition + told.arguments).find('\0') != std::string::npos)
            throw Error(Errc::invalid_argument, "its arguments have U+0000");
        return told;
    } catch (...) {
        log::error("nobody is told of a buried job",
                   {{"job", job.id},
                    {"kind", job.kind},
                    {"error", error_from_exception(std::current_exception()).message()}});
        return std::nullopt;
    }
}

}  // namespace

Task<void> tell_buried(Tx& tx, const std::vector<StoredJob>& buried) {
    Queue& queue = tx.context().services().get<Queue>();
    bool has_told = false;
    for (const StoredJob& job : buried) {
        for (const std::string& subscriber : queue.subscribers(buried_event(job.kind))) {
            const auto told = telling(queue, subscriber, job);
            if (!told) continue;
            co_await insert(tx, *told);
            has_told = true;
        }
    }
    if (has_told) tx.after_commit([&queue] { queue.wake(); });
}

}  // namespace loadstone::jobs::internal
