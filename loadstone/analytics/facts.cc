#include "loadstone/analytics/facts.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

namespace loadstone::analytics {

namespace {

constexpr std::chrono::seconds retry_after{5};
constexpr std::size_t fact_bytes_max = 16'384;

void require_different_names(const std::vector<FactTable>& tables) {
    std::set<std::string_view> names;
    for (const FactTable& table : tables) names.insert(table.schema.fact);
    for (const FactTable& table : tables) {
        for (const NamedRollup& each : table.rollups) {
            if (!names.insert(each.name).second)
                throw Error(Errc::invalid_argument,
                            fmt::format("rollup {} of fact {}: its name is another one's, or a "
                                        "fact's",
                                        each.name, table.schema.fact));
        }
    }
}

}  // namespace

void FactTable::require_key(const TypeInfo& of, const std::string& key) const {
    const auto at = std::ranges::find(schema.columns, key, &Column::name);
    if (&of != type || at == schema.columns.end() || at->type != ColumnType::integer ||
        at->is_nullable)
        throw Error(Errc::invalid_argument,
                    fmt::format("fact {}: {} is no integer of it that is always there, so it is no "
                                "key for a back-fill",
                                schema.fact, key));
}

FactTable& FactTable::rolled_up(std::string name, Rollup rollup) {
    rollup.require_valid(name, schema);
    rollups.push_back({std::move(name), std::move(rollup)});
    require_rollups();
    return *this;
}

void FactTable::require_rollups() const {
    if (!back_fill.is_there()) return;
    for (const NamedRollup& each : rollups) {
        if (std::ranges::find(each.rollup.keys(), back_fill.key) == each.rollup.keys().end())
            throw Error(
                Errc::invalid_argument,
                fmt::format("rollup {} of fact {} has not the key {}: ranges of it are made "
                            "anew",
                            each.name, schema.fact, back_fill.key));
    }
}

FactTable& Facts::add(std::string name, const TypeInfo& type) {
    for (const FactTable& other : *all_) {
        if (other.schema.fact == name || other.type == &type)
            throw Error(Errc::invalid_argument,
                        fmt::format("fact {} of module {}: its name or its type is declared by "
                                    "module {} already",
                                    name, module_, other.module));
    }
    FactTable& added = all_->emplace_back();
    added.module = module_;
    added.type = &type;
    added.schema = schema_of(std::move(name), type);
    return added;
}

void Facts::asked(std::span<const AskedTable> tables) const {
    std::map<std::string, std::string, std::less<>> declared;
    for (const FactTable& table : *all_) {
        if (table.module != module_) continue;
        declared[table.schema.fact] = to_text(table.schema.columns);
        for (const NamedRollup& each : table.rollups)
            declared[each.name] = to_text(each.rollup.shape(table.schema));
    }
    for (const AskedTable& table : tables) {
        const auto at = declared.find(table.name);
        const std::string is = at == declared.end() ? "" : at->second;
        if (at == declared.end() || is != table.columns)
            throw Error(Errc::invalid_argument,
                        fmt::format("sql/facts/tables.sql of module {} has {} with the columns "
                                    "\"{}\", which are declared as \"{}\"",
                                    module_, table.name, table.columns, is));
        declared.erase(at);
    }
    if (!declared.empty())
        throw Error(Errc::invalid_argument,
                    fmt::format("sql/facts/tables.sql of module {} has no {} with the columns "
                                "\"{}\"",
                                module_, declared.begin()->first, declared.begin()->second));
}

Recorder::Recorder(std::vector<FactTable> tables, std::int64_t waiting_max,
                   telemetry::Registry& registry)
    : tables_(std::move(tables)),
      waiting_max_(waiting_max),
      recorded_(registry.counter("loadstone_analytics_facts_recorded_total", "",
                                 "Facts that transactions have recorded, committed or not")),
      refused_(registry.counter("loadstone_analytics_facts_refused_total", "",
                                "Facts that were refused because too many wait")) {
    require_different_names(tables_);
}

const FactTable& Recorder::table_to_write(const TypeInfo& type) {
    const auto at = std::ranges::find(tables_, &type, &FactTable::type);
    LOADSTONE_ASSERT(at != tables_.end(), "a fact is declared by its module before it is recorded");
    if (waiting_ >= waiting_max_) {
        refused_.add();
        throw Error(Errc::resource_exhausted,
                    fmt::format("{} facts wait for the column store, {} are the most",
                                waiting_.load(), waiting_max_))
            .with_retry_after(retry_after);
    }
    recorded_.add();
    return *at;
}

void Recorder::set_waiting(std::int64_t facts) {
    waiting_ = facts;
    if (facts > waiting_max_ / 2 && !has_warned_.exchange(true))
        log::warning("facts wait for the column store; beyond the bound, what records them fails",
                     {{"waiting", facts}, {"bound", waiting_max_}});
    if (facts < waiting_max_ / 4) has_warned_ = false;
}

Task<void> record_object(Tx& tx, const TypeInfo& type, const void* fact) {
    const FactTable& table = tx.context().services().get<Recorder>().table_to_write(type);
    const std::string body = internal::row_bytes(type, fact);
    if (body.size() > fact_bytes_max)
        throw Error(Errc::invalid_argument,
                    fmt::format("a fact of {} has {} bytes, {} are the most", table.schema.fact,
                                body.size(), fact_bytes_max));
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(body.data()),
                                           body.size());
    // Without a place: many of one request are no N+1, for they are sent together.
    const store::Call<store::Command> insert(sql::insert_fact, std::source_location{});
    co_await tx.defer(insert, table.schema.id, bytes);
}

}  // namespace loadstone::analytics
