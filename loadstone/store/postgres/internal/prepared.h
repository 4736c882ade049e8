#pragma once
// PreparedStatements: what one connection has prepared, by statement and parameter types.
//
// A statement is prepared anew for each combination of types that its parameters come in: a null,
// which has no type, goes with any. Names are numbers that are never used twice on a connection.

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "loadstone/store/internal/verified_types.h"
#include "loadstone/store/postgres/internal/bound_values.h"
#include "loadstone/store/statement.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::store::postgres {

struct Prepared {
    std::string name;
    std::string_view text;
    std::vector<Oid> types;
    bool is_sent = false;                        // the server has it, or has it on its way
    std::optional<telemetry::LabelIndex> label;  // of its statistics, looked up once
    internal::VerifiedTypes verified;
    std::uint64_t sampled_in = 0;  // round of PlanSampler; 0: never
    std::optional<bool> adds_up;   // of its text, looked at once
};

class PreparedStatements {
public:
    static constexpr std::size_t statements_max = 2048;
    static constexpr std::size_t variants_max = 8;  // of one statement

    // Null when a limit is reached: then the statement is run without being prepared.
    std::shared_ptr<Prepared> find_or_add(const StatementRef& statement, const BoundValues& values);
    // The server does not have it, or must not use it, any more.
    void renew(Prepared& prepared);

private:
    std::unordered_map<const void*, std::vector<std::shared_ptr<Prepared>>> by_identity_;
    std::size_t count_ = 0;
    std::uint64_t named_ = 0;
};

}  // namespace loadstone::store::postgres
