#pragma once
// Reader: reads. It takes Query only, and its connection is opened read-only. A cheap value; lives
// within its context.

#include <optional>
#include <utility>
#include <vector>

#include "loadstone/store/connection.h"

namespace loadstone::store {

namespace internal {
[[noreturn]] void throw_not_found(std::string_view statement);
[[noreturn]] void throw_too_many(std::string_view statement, std::size_t rows_max);
}  // namespace internal

// Shared by Reader and Tx.
class Statements {
public:
    // How many rows many() gathers at most; a statement with more is a case for each().
    static constexpr std::size_t rows_max = 10'000;

    // Exactly one row: Errc::not_found if there is none. Further rows are a bug of the statement
    // and not fetched for.
    template <class T, class... Values>
    Task<T> one(const Query& query, const Values&... values) {
        return one_of<T>(query, values...);
    }
    template <class T, class... Values>
    Task<std::optional<T>> maybe(const Query& query, const Values&... values) {
        return maybe_of<T>(query, values...);
    }
    template <class T, class... Values>
    Task<std::vector<T>> many(const Query& query, const Values&... values) {
        return many_of<T>(query, values...);
    }
    // Streams: the sink is called row by row while the statement runs; memory stays flat.
    template <class T, class... Values>
    Task<std::uint64_t> each(const Query& query, FunctionRef<void(const T&)> sink,
                             const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        auto decode_one = [&](const Row& row) { sink(decode<T>(row)); };
        const RunResult result =
            co_await connection_->run(*context_, fresh(query), bound, decode_one);
        co_return result.rows;
    }

protected:
    Statements(Context& context, Connection& connection)
        : context_(&context), connection_(&connection) {}

    template <class T, class S, class... Values>
    Task<T> one_of(const S& statement, const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        std::optional<T> found;
        auto take = [&](const Row& row) {
            if (!found) found.emplace(decode<T>(row));
        };
        co_await connection_->run(*context_, fresh(statement), bound, take);
        if (!found) internal::throw_not_found(statement.name);
        co_return std::move(*found);
    }
    template <class T, class S, class... Values>
    Task<std::optional<T>> maybe_of(const S& statement, const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        std::optional<T> found;
        auto take = [&](const Row& row) {
            if (!found) found.emplace(decode<T>(row));
        };
        co_await connection_->run(*context_, fresh(statement), bound, take);
        co_return found;
    }
    template <class T, class S, class... Values>
    Task<std::vector<T>> many_of(const S& statement, const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        std::vector<T> rows;
        auto take = [&](const Row& row) {
            if (rows.size() == rows_max) internal::throw_too_many(statement.name, rows_max);
            rows.push_back(decode<T>(row));
        };
        co_await connection_->run(*context_, fresh(statement), bound, take);
        co_return rows;
    }

    Context* context_;
    Connection* connection_;
    runtime::Freshness freshness_ = runtime::latest;

private:
    StatementRef fresh(const StatementRef& statement) const {
        StatementRef asked = statement;
        asked.freshness = freshness_;
        return asked;
    }
};

class Reader : public Statements {
public:
    // Without `freshness` it sees all that was committed before the read.
    Reader(Context& context, Connection& connection, runtime::Freshness freshness = runtime::latest)
        : Statements(context, connection) {
        freshness_ = freshness;
    }
    Context& context() const noexcept { return *context_; }
};

}  // namespace loadstone::store

namespace loadstone {
using store::Reader;
}
