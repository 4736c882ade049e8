#include "loadstone/store/postgres/internal/sqlstate.h"

#include <gtest/gtest.h>

#include <utility>

namespace loadstone::store::postgres {

TEST(Sqlstate, HasAMeaningForTheApplication) {
    for (const auto& [sqlstate, code] : {
             std::pair{"23505", Errc::already_exists},
             {"23503", Errc::conflict},           // foreign key
             {"23514", Errc::conflict},           // check
             {"23502", Errc::conflict},           // not null
             {"40001", Errc::conflict},           // serialisation failure
             {"40P01", Errc::conflict},           // deadlock
             {"55P03", Errc::conflict},           // lock not available
             {"22003", Errc::invalid_argument},   // out of range
             {"22021", Errc::invalid_argument},   // not a character of the encoding
             {"57014", Errc::deadline_exceeded},  // statement_timeout
             {"57P01", Errc::unavailable},        // admin shutdown
             {"57P03", Errc::unavailable},        // cannot connect now
             {"08006", Errc::unavailable},        // connection failure
             {"53300", Errc::unavailable},        // too many connections
             {"53100", Errc::unavailable},        // disk full
             {"58030", Errc::unavailable},        // I/O error
             {"28P01", Errc::unavailable},        // wrong password
             {"3D000", Errc::unavailable},        // no such database
             {"XX001", Errc::data_loss},          // data corrupted
             {"XX000", Errc::internal},
             {"42P01", Errc::internal},  // no such table: a bug
             {"25006", Errc::internal},  // a write on a reader: a bug
         }) {
        EXPECT_EQ(errc_of(sqlstate), code) << sqlstate;
    }
}

TEST(Sqlstate, AResultWithoutOneIsALostConnection) {
    PGresult* const result = PQmakeEmptyPGresult(nullptr, PGRES_FATAL_ERROR);
    const Failure failure = failure_of(result, "accounts.user_by_id");
    PQclear(result);
    EXPECT_EQ(failure.reaction, Reaction::connection_lost);
    EXPECT_EQ(failure.error.code(), Errc::unavailable);
    EXPECT_TRUE(failure.error.retry_after());
    EXPECT_TRUE(failure.error.message().starts_with("accounts.user_by_id: "));
}

}  // namespace loadstone::store::postgres
