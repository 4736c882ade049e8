#pragma once
// BlockingConnection: a connection for a thread of its own or the command line, one query at a
// time, every wait bounded. Read-only.

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/runtime/deadline.h"
#include "loadstone/store/database.h"
#include "loadstone/store/postgres/internal/handles.h"
#include "loadstone/store/postgres/internal/target.h"
#include "loadstone/store/value.h"

namespace loadstone::store::postgres {

class BlockingConnection {
public:
    // Connects to the primary: with replicas, to whichever of all servers is. `stop`, if not null,
    // ends every wait within 100 ms. Errors: invalid_argument for the URL, unavailable.
    explicit BlockingConnection(const DatabaseOptions& options,
                                const std::atomic<bool>* stop = nullptr);
    // To the first of the hosts of `target` that serves for `use`. Each has its share of
    // connect_timeout, a second at least.
    BlockingConnection(const Target& target, const DatabaseOptions& options,
                       const std::atomic<bool>* stop, Use use = Use::read);

    // One statement, or several without values. Errors: of the server, naming `what`; unavailable,
    // and then it is of no more use.
    ResultHandle run(const std::string& sql, const std::vector<std::string>& values,
                     std::string_view what);
    // With values as an application gives them.
    ResultHandle run_bound(const std::string& sql, std::span<const Value> values,
                           std::string_view what);
    // Names it in this session; it is not run.
    void prepare(const std::string& name, const std::string& sql, std::string_view what);
    // As an SQL literal.
    std::string quoted(const std::string& text);
    bool is_lost() const noexcept { return connection_ == nullptr; }

private:
    void connect(const Target& target, const DatabaseOptions& options, Use use);
    ConnectionHandle dial(const Target& host, const DatabaseOptions& options, Use use,
                          Deadline deadline);
    ResultHandle finish(int sent, std::string_view what);
    void wait_for(short events, Deadline deadline, std::string_view what);

    const std::atomic<bool>* stop_;
    const std::chrono::milliseconds answer_max_;
    ConnectionHandle connection_;
};

// The column of a row; "" if null.
std::string text_of(const ResultHandle& result, int row, int column);
double number_of(const ResultHandle& result, int row, int column);
std::uint64_t count_of(const ResultHandle& result, int row, int column);

}  // namespace loadstone::store::postgres
