#include "loadstone/store/postgres/internal/blocking_connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "loadstone/store/postgres/internal/bound_values.h"
#include "loadstone/store/postgres/internal/sqlstate.h"
#include "loadstone/store/postgres/internal/target.h"

namespace loadstone::store::postgres {

namespace {

constexpr std::chrono::milliseconds look_every{100};
constexpr std::chrono::milliseconds host_least{1'000};

}  // namespace

BlockingConnection::BlockingConnection(const DatabaseOptions& options,
                                       const std::atomic<bool>* stop)
    : BlockingConnection(primary_of(options), options, stop) {}

BlockingConnection::BlockingConnection(const Target& target, const DatabaseOptions& options,
                                       const std::atomic<bool>* stop, Use use)
    : stop_(stop), answer_max_(options.statement_timeout_max + std::chrono::seconds(1)) {
    connect(target, options, use);
}

// libpq would give all of the time to a host that does not answer.
void BlockingConnection::connect(const Target& target, const DatabaseOptions& options, Use use) {
    const std::vector<Target> hosts = hosts_of(target);
    const auto share =
        std::max(options.connect_timeout / static_cast<int>(hosts.size()),
                 std::min<std::chrono::milliseconds>(options.connect_timeout, host_least));
    std::string failures;
    for (const Target& host : hosts) {
        try {
            connection_ = dial(host, options, use, Deadline::in(share));
            return;
        } catch (const Error& error) {
            failures += fmt::format("{}{}", failures.empty() ? "" : "; ", error.message());
        }
    }
    throw unavailable(failures);
}

ConnectionHandle BlockingConnection::dial(const Target& host, const DatabaseOptions& options,
                                          Use use, Deadline deadline) {
    const Parameters parameters = parameters_for(host, use, options);
    const ParameterArrays arrays(parameters);
    ConnectionHandle connection(
        PQconnectStartParams(arrays.keywords.data(), arrays.values.data(), 0));
    if (connection == nullptr) throw std::bad_alloc();
    PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);  // with the SQLSTATE
    auto state = PGRES_POLLING_WRITING;
    while (PQstatus(connection.get()) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
        pollfd at{PQsocket(connection.get()), POLLOUT, 0};
        if (state == PGRES_POLLING_READING) at.events = POLLIN;
        const int ready = ::poll(&at, 1, static_cast<int>(look_every.count()));
        if (deadline.passed() || (stop_ != nullptr && stop_->load())) break;
        if (ready == 0) continue;
        state = PQconnectPoll(connection.get());
        if (state == PGRES_POLLING_FAILED) break;
    }
    if (state != PGRES_POLLING_OK) {
        const std::string why = PQstatus(connection.get()) == CONNECTION_BAD
                                    ? connection_message(connection.get())
                                    : "no answer in time";
        throw unavailable(fmt::format("the database at {} cannot be reached: {}", host.shown, why));
    }
    PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
    PQsetNoticeReceiver(connection.get(), [](void*, const PGresult*) {}, nullptr);
    return connection;
}

ResultHandle BlockingConnection::run(const std::string& sql, const std::vector<std::string>& values,
                                     std::string_view what) {
    if (values.empty()) return finish(PQsendQuery(connection_.get(), sql.c_str()), what);
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const std::string& value : values) texts.push_back(value.c_str());
    return finish(PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(texts.size()),
                                    nullptr, texts.data(), nullptr, nullptr, 0),
                  what);
}

ResultHandle BlockingConnection::run_bound(const std::string& sql, std::span<const Value> values,
                                           std::string_view what) {
    BoundValues bound;
    bound.assign(values);
    return finish(
        PQsendQueryParams(connection_.get(), sql.c_str(), bound.count(), bound.types().data(),
                          bound.values(), bound.lengths(), bound.formats(), 0),
        what);
}

void BlockingConnection::prepare(const std::string& name, const std::string& sql,
                                 std::string_view what) {
    finish(PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr), what);
}

std::string BlockingConnection::quoted(const std::string& text) {
    struct Free {
        void operator()(char* literal) const noexcept { PQfreemem(literal); }
    };
    const std::unique_ptr<char, Free> literal(
        PQescapeLiteral(connection_.get(), text.data(), text.size()));
    if (literal == nullptr) {
        throw Error(Errc::invalid_argument, connection_message(connection_.get()));
    }
    return literal.get();
}

// The last result, when the server is through with all.
ResultHandle BlockingConnection::finish(int sent, std::string_view what) {
    if (sent == 0)
        throw unavailable(fmt::format("{}: {}", what, connection_message(connection_.get())));
    const Deadline deadline = Deadline::in(answer_max_);
    ResultHandle last;
    std::optional<Error> failure;
    for (;;) {
        while (PQisBusy(connection_.get()) != 0) wait_for(POLLIN, deadline, what);
        ResultHandle result(PQgetResult(connection_.get()));
        if (result == nullptr) break;
        if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure)
            failure = failure_of(result.get(), what).error;
        last = std::move(result);
    }
    if (failure) throw std::move(*failure);
    return last;
}

void BlockingConnection::wait_for(short events, Deadline deadline, std::string_view what) {
    pollfd at{PQsocket(connection_.get()), events, 0};
    const int ready = ::poll(&at, 1, static_cast<int>(look_every.count()));
    const bool is_stopped = stop_ != nullptr && stop_->load();
    if (is_stopped || (ready == 0 && deadline.passed())) {
        connection_.reset();
        throw unavailable(fmt::format("{}: no answer from the database in time", what));
    }
    if (ready > 0 && PQconsumeInput(connection_.get()) == 0) {
        const std::string why = connection_message(connection_.get());
        connection_.reset();
        throw unavailable(
            fmt::format("{}: the connection to the database was lost: {}", what, why));
    }
}

std::string text_of(const ResultHandle& result, int row, int column) {
    return PQgetvalue(result.get(), row, column);
}

double number_of(const ResultHandle& result, int row, int column) {
    return std::strtod(PQgetvalue(result.get(), row, column), nullptr);
}

std::uint64_t count_of(const ResultHandle& result, int row, int column) {
    const std::string_view text = PQgetvalue(result.get(), row, column);
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace loadstone::store::postgres
