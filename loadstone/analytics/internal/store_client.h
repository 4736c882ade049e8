#pragma once
// StoreClient: questions to the process of the column store, from any thread. Blocking. Keeps the
// connections that it made; one that has failed is closed, and the next question makes another.

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/protocol.h"

namespace loadstone::analytics::internal {

class StoreClient {
public:
    explicit StoreClient(std::string socket) : socket_(std::move(socket)) {}
    StoreClient(const StoreClient&) = delete;
    StoreClient& operator=(const StoreClient&) = delete;
    ~StoreClient();

    // Errors: unavailable while the process is not there; deadline_exceeded.
    StoreState state(int timeout_ms);
    // The same; if the store is at `position`, it is as of `as_of` from now on.
    StoreState touch(const Position& position, std::int64_t as_of, int timeout_ms);
    // The body of `apply`. After an error it may have been applied: state() tells.
    StoreState apply(std::string_view body, int timeout_ms);
    // The body of `replace`; doing it again changes nothing.
    StoreState replace(std::string_view body, int timeout_ms);
    // The body of `declare`; doing it again changes nothing.
    StoreState declare(std::string_view body, int timeout_ms);
    // `columns` is called once, before `rows`, which gets whole rows.
    using OnColumns = std::function<void(const std::vector<Column>&)>;
    using OnRows = std::function<void(std::string_view bytes)>;
    StoreState query(std::string_view body, int timeout_ms, const OnColumns& columns,
                     const OnRows& rows);
    // The body of `export`: a row of rows and bytes.
    StoreState export_file(std::string_view body, int timeout_ms, const OnColumns& columns,
                           const OnRows& rows);

private:
    class Connection;
    StoreState ask(FrameKind kind, std::string_view body, int timeout_ms, const OnColumns& columns,
                   const OnRows& rows);
    int take();
    void give_back(int fd);

    const std::string socket_;
    std::mutex mutex_;
    std::vector<int> idle_;
};

}  // namespace loadstone::analytics::internal
