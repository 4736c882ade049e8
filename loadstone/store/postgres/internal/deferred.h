#pragma once
// Deferred: a statement without an answer that waits for the next one, to go in its round trip.

#include <boost/container/small_vector.hpp>
#include <optional>
#include <span>
#include <string>

#include "loadstone/store/postgres/internal/metrics.h"
#include "loadstone/store/postgres/internal/operation.h"

namespace loadstone::store::postgres {

class Deferred {
public:
    Deferred(StatementRef statement, std::span<const Value> values, DeferredRows take);
    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;

    std::size_t bytes() const noexcept { return text_.size(); }
    // From now on it is an operation of the context.
    Operation& make_operation(Context& context, Metrics& metrics);
    void take(const Row& row) const {
        if (take_) take_(row);
    }
    // Once it is over: counts it.
    void account(bool succeeded);
    Operation& operation() noexcept { return *operation_; }

private:
    const StatementRef statement_;
    const DeferredRows take_;
    std::string text_;  // of all values
    boost::container::small_vector<Value, 8> values_;
    std::optional<Operation> operation_;
    std::optional<Account> account_;
};

}  // namespace loadstone::store::postgres
