#pragma once
// What a backend implements: something on which statements run, one at a time. Application code
// sees it only as Reader and Tx.

#include <array>
#include <functional>
#include <span>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/row.h"
#include "loadstone/store/statement.h"
#include "loadstone/store/value.h"

namespace loadstone::store {

struct RunResult {
    std::uint64_t rows = 0;      // given to the sink
    std::uint64_t affected = 0;  // inserted, updated or deleted
};

// Called for each row of a deferred statement when that has been answered; empty: rows are dropped.
using DeferredRows = std::function<void(const Row&)>;

class Connection {
public:
    virtual ~Connection() = default;
    // Runs one statement within the context's deadline; adds to the span: statement, rows, waits,
    // query use. Errors: invalid_argument (wrong parameter count is a bug and asserts),
    // already_exists (unique key), conflict (serialisation, deadlock; foreign key and check
    // violations), deadline_exceeded, cancelled, unavailable (connection, disk full), data_loss.
    virtual Task<RunResult> run(Context& context, StatementRef statement,
                                std::span<const Value> values, RowSink sink) = 0;
    // As Tx::defer(), with its rows for `take`, if there is one. Where a statement costs no round
    // trip it runs at once.
    virtual Task<void> defer(Context& context, StatementRef statement,
                             std::span<const Value> values, DeferredRows take) {
        auto give = [&](const Row& row) {
            if (take) take(row);
        };
        co_await run(context, statement, values, give);
    }
};

}  // namespace loadstone::store
