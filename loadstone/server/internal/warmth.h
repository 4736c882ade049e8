#pragma once
// Warmth: the answers that a server's cache leaves to the server that starts in its place, a file
// in the data folder. What goes wrong costs computations, and is said in the log.

#include <chrono>
#include <filesystem>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/cache.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::server::internal {

class Warmth {
public:
    // All but `data` must outlive it.
    Warmth(cache::Cache& cache, const runtime::Services& services, runtime::Loops& loops,
           const std::string& data)
        : cache_(cache),
          services_(services),
          loops_(loops),
          path_((std::filesystem::path(data) / "cache.warm").string()) {}

    // Once the loops run. Requests are answered meanwhile.
    void load(runtime::TaskScope& background) { background.spawn(loops_.executor(0), load_now()); }
    // When all requests have ended, before the database stops. False: it still runs.
    bool save() {
        saving_.spawn(loops_.executor(0), save_now());
        return saving_.join_blocking(Deadline::in(2 * time_max));
    }

private:
    static constexpr std::chrono::seconds time_max{5};

    Task<void> load_now() {
        Context context(services_, Deadline::in(time_max));
        co_await cache_.load(context, path_);
    }
    Task<void> save_now() {
        Context context(services_, Deadline::in(time_max));
        try {
            co_await cache_.save(context, path_);
        } catch (const Error& error) {
            log::warning("answers are not kept for the next start", {{"error", error.message()}});
        }
    }

    cache::Cache& cache_;
    const runtime::Services& services_;
    runtime::Loops& loops_;
    const std::string path_;
    runtime::TaskScope saving_{"cache.warm"};
};

}  // namespace loadstone::server::internal
