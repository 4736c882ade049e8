#pragma once
// Tx: one transaction. What a command gets; reads in it see its own writes. It commits when the
// command returns and rolls back when it throws. The body may run again (serialisation failure,
// failover), so it touches nothing but its arguments and the Tx, and it awaits nothing else.

#include <functional>
#include <memory>

#include "loadstone/store/reader.h"

namespace loadstone::store {

class Tx : public Statements {
public:
    Tx(Context& context, Connection& connection) : Statements(context, connection) {}

    using Statements::many;
    using Statements::maybe;
    using Statements::one;

    // Reads in this transaction, for functions that take a Reader.
    operator Reader() const {  // NOLINT(google-explicit-constructor)
        return {*context_, *connection_};
    }

    // Writes with RETURNING.
    template <class T, class... Values>
    Task<T> one(Call<Command> command, const Values&... values) {
        return internal::one_row<T>(*context_, *connection_, command, internal::bound(values...));
    }
    template <class T, class... Values>
    Task<std::optional<T>> maybe(Call<Command> command, const Values&... values) {
        return internal::maybe_row<T>(*context_, *connection_, command, internal::bound(values...));
    }
    template <class T, class... Values>
    Task<std::vector<T>> many(Call<Command> command, const Values&... values) {
        return internal::many_rows<T>(*context_, *connection_, command, internal::bound(values...));
    }
    // Rows affected.
    template <class... Values>
    Task<std::uint64_t> exec(Call<Command> command, const Values&... values) {
        return internal::affected_rows(*context_, *connection_, command,
                                       internal::bound(values...));
    }

    // Without an answer: it goes to the database with the next statement or with the commit, in
    // their round trip. What is deferred runs in its order, before that statement, which fails with
    // what it failed with. Values are copied, rows are dropped.
    template <class... Values>
    Task<void> defer(Call<Command> command, const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        DeferredRows dropped;
        co_await connection_->defer(*context_, command, bound, std::move(dropped));
    }
    // With an answer that comes with that of the next statement or, of what goes with the commit,
    // when this transaction has been committed: then its rows stand in `rows`. Within the module's
    // budget as many(); over it with the commit, the caller is told that the outcome is unknown.
    template <class T, class... Values>
    Task<void> defer_many(std::shared_ptr<std::vector<T>> rows, Call<Command> command,
                          const Values&... values) {
        const std::array<Value, sizeof...(Values)> bound{Value(values)...};
        rows->clear();
        const internal::Gathered none(*context_, command.statement.name);
        DeferredRows take = [rows, gathered = none](const Row& row) mutable {
            gathered.add(row);
            rows->push_back(decode<T>(row));
        };
        co_await connection_->defer(*context_, command, bound, std::move(take));
    }

    // A durable job, committed with this transaction, and sent with it; who needs its id calls
    // jobs::enqueue(). Both are defined in loadstone/jobs/enqueue.h.
    template <class Arguments>
    Task<void> enqueue(const Arguments& arguments);

    Context& context() const noexcept { return *context_; }
    // Before its first statement, or Errc::internal: each statement sees what was committed before
    // it, and waits for locks instead of failing (READ COMMITTED); and it finds rows by an index.
    // For queues. On SQLite that changes nothing: nobody else writes meanwhile.
    virtual void see_commits() = 0;
    // Called in order after the commit is durable, on any thread, quickly; dropped on rollback.
    // For wake-ups and cache invalidation, never for effects that must not be lost.
    virtual void after_commit(std::function<void()> action) = 0;

protected:
    ~Tx() = default;
};

}  // namespace loadstone::store

namespace loadstone {
using store::Tx;
}
