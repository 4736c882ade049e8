#pragma once
// Reader: reads. It takes Query only, and its connection is opened read-only. A cheap value; lives
// within its context.

#include <optional>
#include <utility>
#include <vector>

#include "loadstone/store/connection.h"
#include "loadstone/store/internal/gathered.h"

namespace loadstone::store {

namespace internal {

[[noreturn]] void throw_not_found(std::string_view statement);

template <std::size_t N>
using Bound = std::array<Value, N>;

template <class... Values>
Bound<sizeof...(Values)> bound(const Values&... values) {
    return {Value(values)...};
}

template <class T, std::size_t N>
Task<T> one_row(Context& context, Connection& connection, StatementRef statement, Bound<N> values) {
    std::optional<T> found;
    Gathered gathered(context, statement.name);
    auto take = [&](const Row& row) {
        if (found) return;
        gathered.add(row);
        found.emplace(decode<T>(row));
    };
    statement.is_small = true;
    co_await connection.run(context, statement, values, take);
    if (!found) throw_not_found(statement.name);
    co_return std::move(*found);
}

template <class T, std::size_t N>
Task<std::optional<T>> maybe_row(Context& context, Connection& connection, StatementRef statement,
                                 Bound<N> values) {
    std::optional<T> found;
    Gathered gathered(context, statement.name);
    auto take = [&](const Row& row) {
        if (found) return;
        gathered.add(row);
        found.emplace(decode<T>(row));
    };
    statement.is_small = true;
    co_await connection.run(context, statement, values, take);
    co_return found;
}

template <class T, std::size_t N>
Task<std::vector<T>> many_rows(Context& context, Connection& connection, StatementRef statement,
                               Bound<N> values) {
    std::vector<T> rows;
    Gathered gathered(context, statement.name);
    auto take = [&](const Row& row) {
        gathered.add(row);
        rows.push_back(decode<T>(row));
    };
    co_await connection.run(context, statement, values, take);
    co_return rows;
}

template <class T, std::size_t N>
Task<std::uint64_t> each_row(Context& context, Connection& connection, StatementRef query,
                             FunctionRef<void(const T&)> sink, Bound<N> values) {
    auto decode_one = [&](const Row& row) { sink(decode<T>(row)); };
    const RunResult result = co_await connection.run(context, query, values, decode_one);
    co_return result.rows;
}

template <std::size_t N>
Task<std::uint64_t> affected_rows(Context& context, Connection& connection, StatementRef command,
                                  Bound<N> values) {
    auto ignore = [](const Row&) {};
    const RunResult result = co_await connection.run(context, command, values, ignore);
    co_return result.affected;
}

}  // namespace internal

// Shared by Reader and Tx.
class Statements {
public:
    // Exactly one row: Errc::not_found if there is none. Further rows are a bug of the statement
    // and not fetched for.
    template <class T, class... Values>
    Task<T> one(Call<Query> query, const Values&... values) {
        return internal::one_row<T>(*context_, *connection_, fresh(query),
                                    internal::bound(values...));
    }
    template <class T, class... Values>
    Task<std::optional<T>> maybe(Call<Query> query, const Values&... values) {
        return internal::maybe_row<T>(*context_, *connection_, fresh(query),
                                      internal::bound(values...));
    }
    // Within the module's budget (statement_budgets.h); what may be more is streamed or paged.
    template <class T, class... Values>
    Task<std::vector<T>> many(Call<Query> query, const Values&... values) {
        return internal::many_rows<T>(*context_, *connection_, fresh(query),
                                      internal::bound(values...));
    }
    // Streams: the sink is called row by row while the statement runs; memory stays flat.
    template <class T, class... Values>
    Task<std::uint64_t> each(Call<Query> query, FunctionRef<void(const T&)> sink,
                             const Values&... values) {
        return internal::each_row<T>(*context_, *connection_, fresh(query), sink,
                                     internal::bound(values...));
    }

protected:
    Statements(Context& context, Connection& connection)
        : context_(&context), connection_(&connection) {}

    Context* context_;
    Connection* connection_;
    runtime::Freshness freshness_ = runtime::latest;

private:
    StatementRef fresh(Call<Query> query) const {
        StatementRef asked = query;
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
