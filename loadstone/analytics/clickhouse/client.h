#pragma once
// Client: statements to a ClickHouse server over HTTP, from any thread. Blocks. Keeps connections.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/clickhouse/address.h"
#include "loadstone/base/error.h"
#include "loadstone/base/function_ref.h"
#include "loadstone/outbound/http_connection.h"

namespace loadstone::analytics::clickhouse {

// What the server's refusal is here: invalid_argument for a statement that is wrong or would write,
// resource_exhausted for rows, bytes and memory, deadline_exceeded, cancelled, unavailable for what
// passes or is the operator's to put right (accounts, rights, disk), else internal. Its message has
// the server's code and name for it; the server's text instead only if that `tells_text`: it
// repeats parts of the statement, and values stand there.
Error error_of(int status, std::string_view refusal, bool tells_text = false);

// Of a cell of a table(). Errors: data_loss.
std::int64_t number_of(std::string_view text);

struct QuestionBounds {
    std::chrono::milliseconds timeout{0};
    std::int64_t rows_max = 0, bytes_max = 0;  // 0: any number
    int memory_mb = 0, threads = 1;
    bool tells_text = false;  // error_of()
};

class Client {
public:
    explicit Client(const Address& address);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const std::string& name() const noexcept { return address_.name; }

    // A statement that changes something.
    void run(std::string_view statement, std::chrono::milliseconds timeout);
    // An INSERT with its data. Sent once: after an error it may be there, or come to be.
    void insert(std::string_view statement, std::string_view data,
                std::chrono::milliseconds timeout);
    // Rows of a statement of ours, all of them, as texts.
    using Table = std::vector<std::vector<std::string>>;
    Table table(std::string_view statement, std::chrono::milliseconds timeout);
    // A SELECT of others, which can only read, and neither files nor other servers; it ends at its
    // bounds. `sink` gets the answer in `format` when the server has all of it.
    void ask(std::string_view statement, std::string_view format, const QuestionBounds& bounds,
             FunctionRef<void(std::string_view)> sink);
    // Ends what is under way (cancelled).
    void stop() noexcept { stopping_ = true; }

private:
    using Connection = std::unique_ptr<outbound::HttpConnection>;
    void post(outbound::HttpPost request, FunctionRef<void(std::string_view)> sink,
              bool tells_text = false);
    Connection take();
    void give_back(Connection connection);

    const Address address_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<Connection> idle_;
};

}  // namespace loadstone::analytics::clickhouse
