#pragma once
// Facts: what a module marks for analytics. A fact is something that has happened, told once and
// never changed: a described struct, recorded in the transaction that makes it true.
//
//     struct LearningActivity { Timestamp at; std::int64_t course, learner; std::string what; };
//     BOOST_DESCRIBE_STRUCT(LearningActivity, (), (at, course, learner, what))
//
//     void facts(Facts& facts) {
//         facts.table<LearningActivity>("learning_activity");
//         facts.asked(facts_sql::tables);  // if the module asks the column store: query.h
//     }
//
//     co_await analytics::record(tx, activity);
//
// It is a row of loadstone_facts, sent with the commit (ADR 12), and in the column store some 200
// ms later (feed.h).

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loadstone/analytics/answer.h"
#include "loadstone/analytics/back_fill.h"
#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/rollup.h"
#include "loadstone/base/describe.h"
#include "loadstone/store/tx.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::analytics {

struct NamedRollup {
    std::string name;
    Rollup rollup;
};

struct FactTable {
    std::string module;
    const TypeInfo* type = nullptr;
    Schema schema;
    BackFill back_fill{};
    std::vector<NamedRollup> rollups{};

    // Where its facts are told by the module's own tables: back_fill.h. `key` is a member of T.
    // Errors: invalid_argument.
    template <class T>
    FactTable& back_filled_by(std::string key, FactsOfRange<T> facts,
                              Task<std::int64_t> (*last_key)(Reader)) {
        require_key(type_info<T>(), key);
        back_fill.key = std::move(key);
        back_fill.read = [facts](Reader reader, std::int64_t from, std::int64_t end,
                                 BackFill::Sink sink) {
            return internal::read_facts<T>(facts, reader, from, end, sink);
        };
        back_fill.last_key = last_key;
        require_rollups();
        return *this;
    }

    // Grouped as `rollup` says, under a name of its own: rollup.h. With a back-fill its key is one
    // of the rollup's keys. Errors: invalid_argument.
    FactTable& rolled_up(std::string name, Rollup rollup);

private:
    void require_key(const TypeInfo& of, const std::string& key) const;
    void require_rollups() const;
};

class Facts {
public:
    Facts(std::string module, std::vector<FactTable>& all)
        : module_(std::move(module)), all_(&all) {}

    // The name is the table's in the column store, and stays. A member may be added, and one may be
    // taken away; one of another type needs another name. Errors: invalid_argument as schema_of(),
    // or for a table or type that is declared twice.
    template <class T>
    FactTable& table(std::string name) {
        return add(std::move(name), type_info<T>());
    }

    // What the module's questions were checked against when they were built, behind its tables:
    // facts_sql::tables. Errors: invalid_argument for a table or rollup that is declared with other
    // columns, or by one of the two alone.
    void asked(std::span<const AskedTable> tables) const;

private:
    FactTable& add(std::string name, const TypeInfo& type);

    std::string module_;
    std::vector<FactTable>* all_;
};

// What record() needs, a service of every server and command: the tables, and how much waits.
class Recorder {
public:
    // `waiting_max`: facts that may wait for the column store before record() refuses. Errors:
    // invalid_argument for a rollup that has the name of a fact or of another one.
    Recorder(std::vector<FactTable> tables, std::int64_t waiting_max,
             telemetry::Registry& registry);

    const std::vector<FactTable>& tables() const noexcept { return tables_; }
    // A type that is not declared is a bug. Errors: resource_exhausted with a retry_after beyond
    // `waiting_max`, as it was last measured.
    const FactTable& table_to_write(const TypeInfo& type);

    std::int64_t waiting() const noexcept { return waiting_; }
    std::int64_t waiting_max() const noexcept { return waiting_max_; }
    // Measured by the feed. Warns once when half of the bound is passed.
    void set_waiting(std::int64_t facts);

private:
    const std::vector<FactTable> tables_;
    const std::int64_t waiting_max_;
    std::atomic<std::int64_t> waiting_{0};
    std::atomic<bool> has_warned_{false};
    telemetry::Counter& recorded_;
    telemetry::Counter& refused_;
};

Task<void> record_object(Tx& tx, const TypeInfo& type, const void* fact);

// In the column store if and only if the transaction commits, once. Errors: resource_exhausted;
// invalid_argument beyond 16 KiB.
template <class T>
Task<void> record(Tx& tx, const T& fact) {
    return record_object(tx, type_info<T>(), &fact);
}

}  // namespace loadstone::analytics

namespace loadstone {
using analytics::Facts;
}
