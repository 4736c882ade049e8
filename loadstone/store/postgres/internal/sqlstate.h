#pragma once
// What PostgreSQL's errors are to the application: the one place that reads SQLSTATEs.

#include <libpq-fe.h>

#include <string_view>

#include "loadstone/base/error.h"

namespace loadstone::store::postgres {

enum class Reaction {
    none,             // the caller's outcome
    retry,            // 40001, 40P01: the same transaction may work when it is run again
    prepare_again,    // 0A000, 26000: the plan's result type changed, or the server lost the
                      // statement
    cancelled,        // 57014: by a cancel request or by statement_timeout; the caller knows which
    connection_lost,  // the session is over (57P0x, any FATAL): what ran may run on another
    not_the_primary,  // 25006 where a write was due: this server is a standby now
};

struct Failure {
    Reaction reaction;
    Error error;
};

Errc errc_of(std::string_view sqlstate) noexcept;
// `result` is a PGRES_FATAL_ERROR; `what` names the statement. The message is the server's primary
// one; its detail, which quotes rows, is left out. A result without SQLSTATE is libpq's own: the
// connection is lost.
Failure failure_of(const PGresult* result, std::string_view what);
// libpq's text for a connection, on one line.
// The server's own place in its source is left out.
std::string connection_message(const PGconn* connection);
// Of a failure to connect, under PQERRORS_VERBOSE: 53300, whatever the server's language.
bool says_no_connection_left(std::string_view message) noexcept;
// unavailable, with a retry_after.
Error unavailable(std::string message);

}  // namespace loadstone::store::postgres
