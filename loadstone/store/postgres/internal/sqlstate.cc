#include "loadstone/store/postgres/internal/sqlstate.h"

#include <fmt/format.h>

#include <chrono>

namespace loadstone::store::postgres {

namespace {

constexpr std::chrono::seconds retry_after{1};

std::string_view field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string one_line(const char* text) {
    std::string line(text == nullptr ? "" : text);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    for (char& c : line) {
        if (c == '\n' || c == '\t') c = ' ';
    }
    return line;
}

Reaction reaction_of(std::string_view sqlstate, std::string_view severity) {
    if (severity == "FATAL" || severity == "PANIC" || sqlstate.starts_with("08")) {
        return Reaction::connection_lost;
    }
    if (sqlstate == "40001" || sqlstate == "40P01") return Reaction::retry;
    if (sqlstate == "0A000" || sqlstate == "26000") return Reaction::prepare_again;
    if (sqlstate == "57014") return Reaction::cancelled;
    if (sqlstate.starts_with("57P")) return Reaction::connection_lost;
    if (sqlstate == "25006") return Reaction::not_the_primary;
    return Reaction::none;
}

}  // namespace

Errc errc_of(std::string_view sqlstate) noexcept {
    const std::string_view group = sqlstate.substr(0, 2);
    if (sqlstate == "23505") return Errc::already_exists;  // unique_violation
    if (group == "23") return Errc::conflict;          // foreign key, check, exclusion, not null
    if (group == "40") return Errc::conflict;          // serialisation failure, deadlock
    if (sqlstate == "55P03") return Errc::conflict;    // lock_not_available (nowait, lock_timeout)
    if (group == "22") return Errc::invalid_argument;  // data exceptions: range, encoding, division
    if (sqlstate == "54000") return Errc::invalid_argument;
    if (sqlstate == "57014") return Errc::deadline_exceeded;
    if (group == "57" || group == "08" || group == "53") return Errc::unavailable;
    if (group == "58") return Errc::unavailable;  // system errors: I/O, files
    if (group == "28" || sqlstate == "3D000") return Errc::unavailable;  // login, no such database
    if (sqlstate == "25P03") return Errc::unavailable;  // idle_in_transaction_session_timeout
    if (group == "XX") return sqlstate == "XX000" ? Errc::internal : Errc::data_loss;
    return Errc::internal;  // 42 (SQL itself), 25, ...: a bug
}

Error unavailable(std::string message) {
    return Error(Errc::unavailable, std::move(message)).with_retry_after(retry_after);
}

Failure failure_of(const PGresult* result, std::string_view what) {
    const std::string_view sqlstate = field(result, PG_DIAG_SQLSTATE);
    if (sqlstate.empty()) {
        return {Reaction::connection_lost,
                unavailable(fmt::format("{}: the connection to the database was lost: {}", what,
                                        one_line(PQresultErrorMessage(result))))};
    }
    const Reaction reaction = reaction_of(sqlstate, field(result, PG_DIAG_SEVERITY_NONLOCALIZED));
    std::string message = fmt::format(
        "{}: {} ({})", what, one_line(field(result, PG_DIAG_MESSAGE_PRIMARY).data()), sqlstate);
    const Errc code = reaction == Reaction::connection_lost ? Errc::unavailable : errc_of(sqlstate);
    if (code == Errc::unavailable) return {reaction, unavailable(std::move(message))};
    return {reaction, Error(code, std::move(message))};
}

std::string connection_message(const PGconn* connection) {
    std::string_view text = PQerrorMessage(connection);
    text = text.substr(0, text.find("\nLOCATION:"));
    return one_line(std::string(text).c_str());
}

bool says_no_connection_left(std::string_view message) noexcept {
    return message.find(" 53300: ") != std::string_view::npos;
}

}  // namespace loadstone::store::postgres
