#include "loadstone/analytics/duckdb/service.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "loadstone/analytics/duckdb/query.h"
#include "loadstone/base/unix_address.h"

namespace loadstone::analytics::duckdb {

using internal::Frame;
using internal::FrameKind;
using internal::WireReader;

namespace {

constexpr int idle_ms = 24 * 3'600'000;
constexpr int send_timeout_ms = 30'000;
constexpr int accept_pause_ms = 100;

struct Shared {
    Database& database;
    const ExportOptions& exports;
    Watch watch;
    std::mutex applying{};  // one batch at a time
};

void ask(Shared& shared, Connection& own, int fd, std::string_view body) {
    {
        // Whoever writes may go on for long: then the question pays for what is not merged.
        const std::unique_lock lock(shared.applying, std::try_to_lock);
        if (lock.owns_lock()) shared.database.merge_named(WireReader(body).text());
    }
    try {
        run_query(own, shared.watch, fd, body);
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_argument || shared.database.has_declared()) throw;
        // A rollup that it asks may come.
        throw Error(Errc::unavailable, "the store has not made its rollups yet: " + error.message())
            .with_retry_after(std::chrono::seconds(1));
    }
}

// A file of another database, or of another history of it, tells nobody anything.
void require_confirmed(const Database& database) {
    if (!database.is_confirmed())
        throw Error(Errc::unavailable,
                    "no server has seen yet that this store is its database's: `analytics status` "
                    "and the server's log say more")
            .with_retry_after(std::chrono::seconds(1));
}

void answer(Shared& shared, Connection& own, int fd, const Frame& frame) {
    switch (frame.kind) {
        case FrameKind::hello: {
            const std::lock_guard lock(shared.applying);
            if (!frame.body.empty()) shared.database.touch(frame.body);
            break;
        }
        case FrameKind::apply: {
            const std::lock_guard lock(shared.applying);
            shared.database.apply(frame.body);
            break;
        }
        case FrameKind::replace: {
            const std::lock_guard lock(shared.applying);
            shared.database.replace(frame.body);
            break;
        }
        case FrameKind::declare: {
            const std::lock_guard lock(shared.applying);
            shared.database.declare(frame.body);
            break;
        }
        case FrameKind::query: {
            require_confirmed(shared.database);
            // What it sees is what it says: taken before, never newer than the query's snapshot.
            const internal::StoreState state = shared.database.state();
            ask(shared, own, fd, frame.body);
            send_frame(fd, FrameKind::done, to_body(state), send_timeout_ms);
            return;
        }
        case FrameKind::export_file: {
            require_confirmed(shared.database);
            const internal::StoreState state = shared.database.state();
            run_export(own, shared.exports, shared.watch, fd, frame.body);
            send_frame(fd, FrameKind::done, to_body(state), send_timeout_ms);
            return;
        }
        case FrameKind::write_file:
        case FrameKind::columns:
        case FrameKind::rows:
        case FrameKind::done:
        case FrameKind::failed: throw Error(Errc::data_loss, "that is no question");
    }
    send_frame(fd, FrameKind::done, to_body(shared.database.state()), send_timeout_ms);
}

// Without memory for that nothing goes on here: the server starts another process.
std::unique_ptr<Connection> connect(Database& database) {
    try {
        return database.connect();
    } catch (const std::exception& error) {
        fmt::print(stderr, "loadstone-duckdb: {}: all that run end\n", error.what());
        std::fflush(stderr);
        ::_exit(1);
    }
}

void converse(Shared& shared, int fd) {
    try {
        const auto own = connect(shared.database);
        for (;;) {
            const Frame frame = internal::receive_frame(fd, idle_ms);
            try {
                answer(shared, *own, fd, frame);
            } catch (const std::exception&) {
                const Error error = error_from_exception(std::current_exception());
                send_frame(fd, FrameKind::failed, internal::to_body(error), send_timeout_ms);
            }
        }
    } catch (const std::exception&) {
        // Its asker has gone, or does not take the answer.
    }
    ::close(fd);
}

int listen_on(const std::string& path) {
    const sockaddr_un address = unix_address(path, "the column store's socket");
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::unlink(path.c_str());
    if (listener < 0 ||
        ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path.c_str(), 0600) != 0 || ::listen(listener, 16) != 0)
        throw Error(Errc::unavailable, fmt::format("{}: {}", path, std::strerror(errno)));
    return listener;
}

}  // namespace

void serve(Database& database, const ServiceOptions& options) {
    Shared shared{
        .database = database, .exports = options.exports, .watch = Watch(options.resident_max)};
    const int listener = listen_on(options.socket);
    if (::write(options.ready, "", 1) != 1)
        throw Error(Errc::unavailable, "nobody waits for this column store");
    auto take_connections = [&shared, listener] {
        for (;;) {
            const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd >= 0)
                converse(shared, fd);
            else if (errno != EINTR && errno != ECONNABORTED)
                ::poll(nullptr, 0, accept_pause_ms);  // out of descriptors
        }
    };
    std::vector<std::jthread> threads;
    for (int i = 0; i < options.connections_max; ++i) threads.emplace_back(take_connections);
    for (std::jthread& thread : threads) thread.join();
    std::abort();  // they do not end
}

}  // namespace loadstone::analytics::duckdb
