#include "loadstone/analytics/duckdb/rollups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "loadstone/analytics/internal/rollup_sql.h"

namespace loadstone::analytics::duckdb {

using internal::grouped;
using internal::key_list;
using internal::quoted;
using std::chrono::steady_clock;
using Kind = RollupColumn::Kind;

namespace {

// A merge walks over all rolled rows: so many of them for each recent one, at most.
constexpr std::int64_t rolled_per_recent = 64;
// However many ask, four fifths of the writer's time are for facts.
constexpr int rests_per_merge = 4;

std::string rolled_of(const std::string& name) { return "loadstone_rolled_" + name; }
std::string recent_of(const std::string& name) { return "loadstone_recent_" + name; }

// Rows of groups, of which there may be several, as one each.
std::string merged_groups(const Rollup& rollup, const std::string& from) {
    std::string list = key_list(rollup);
    for (const RollupColumn& column : rollup.columns()) {
        const std::string name = quoted(column.name);
        switch (column.kind) {
            case Kind::count: list += fmt::format(", sum({0})::BIGINT AS {0}", name); break;
            case Kind::sum: list += fmt::format(", sum({0}) AS {0}", name); break;
            case Kind::min: list += fmt::format(", min({0}) AS {0}", name); break;
            case Kind::max: list += fmt::format(", max({0}) AS {0}", name); break;
        }
    }
    return fmt::format("SELECT {} FROM {} GROUP BY {}", list, from, key_list(rollup));
}

// What a group of the rolled rows `a` and one of the recent rows `b` are together; of either there
// may be none.
std::string both(const Rollup& rollup) {
    std::string list;
    for (const std::string& key : rollup.keys())
        list +=
            fmt::format("{0}coalesce(a.{1}, b.{1}) AS {1}", list.empty() ? "" : ", ", quoted(key));
    for (const RollupColumn& column : rollup.columns()) {
        const std::string name = quoted(column.name);
        switch (column.kind) {
            case Kind::count:
            case Kind::sum:
                list += fmt::format(", coalesce(a.{0} + b.{0}, a.{0}, b.{0}) AS {0}", name);
                break;
            case Kind::min: list += fmt::format(", least(a.{0}, b.{0}) AS {0}", name); break;
            case Kind::max: list += fmt::format(", greatest(a.{0}, b.{0}) AS {0}", name); break;
        }
    }
    return list;
}

std::string same_keys(const Rollup& rollup) {
    std::string condition;
    for (const std::string& key : rollup.keys())
        condition += fmt::format("{0}a.{1} IS NOT DISTINCT FROM b.{1}",
                                 condition.empty() ? "" : " AND ", quoted(key));
    return condition;
}

std::string rolled_alone(const DeclaredRollup& declared) {
    return fmt::format("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}", quoted(declared.name),
                       rolled_of(declared.name));
}

std::string joined(const DeclaredRollup& declared) {
    const auto& [name, fact, rollup] = declared;
    return fmt::format(
        "CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} AS a FULL JOIN ({}) AS b ON {}",
        quoted(name), both(rollup), rolled_of(name), merged_groups(rollup, recent_of(name)),
        same_keys(rollup));
}

}  // namespace

void Rollups::open(const std::string& position) {
    writer_.run("CREATE TABLE IF NOT EXISTS loadstone_rolled_up_to (position VARCHAR NOT NULL)");
    writer_.run(
        "INSERT INTO loadstone_rolled_up_to SELECT '' WHERE NOT EXISTS (SELECT 1 FROM "
        "loadstone_rolled_up_to)");
    writer_.run(
        "CREATE TABLE IF NOT EXISTS loadstone_rollups (name VARCHAR NOT NULL, fact VARCHAR NOT "
        "NULL, definition VARCHAR NOT NULL)");
    Result rows;
    query(writer_, "SELECT name, fact, definition FROM loadstone_rollups ORDER BY name", rows);
    for (idx_t i = 0; i < rows.rows(); ++i)
        all_.push_back({{rows.text(0, i), rows.text(1, i), rollup_from(rows.text(2, i))}});
    Result up_to;
    query(writer_, "SELECT position FROM loadstone_rolled_up_to", up_to);
    if (up_to.text(0, 0) != position) declare({});
    count_again();
}

void Rollups::note(const std::string& position) {
    if (all_.empty()) return;
    writer_.run(fmt::format("UPDATE loadstone_rolled_up_to SET position = '{}'", position));
}

bool Rollups::has_of(const std::string& fact) const {
    return std::ranges::any_of(all_, [&](const Kept& kept) { return kept.declared.fact == fact; });
}

void Rollups::declare(const std::vector<DeclaredRollup>& declared) {
    const auto is_among = [](const auto& some, const DeclaredRollup& one) {
        return std::ranges::any_of(some, [&](const DeclaredRollup& other) {
            return one.name == other.name && one.fact == other.fact && one.rollup == other.rollup;
        });
    };
    std::vector<DeclaredRollup> kept;
    for (const Kept& each : all_) kept.push_back(each.declared);
    for (const DeclaredRollup& each : kept) {
        if (is_among(declared, each)) continue;
        auto work = [&] { drop(each.name); };
        writer_.in_transaction(work);
        std::erase_if(all_, [&](const Kept& one) { return one.declared.name == each.name; });
    }
    for (const DeclaredRollup& each : declared) {
        if (is_among(kept, each)) continue;
        auto work = [&] { make(each); };
        writer_.in_transaction(work);
        all_.push_back({each});
        count(all_.back());
    }
}

void Rollups::drop(const std::string& name) {
    writer_.run(fmt::format("DROP VIEW IF EXISTS {}", quoted(name)));
    writer_.run(fmt::format("DROP TABLE IF EXISTS {}", rolled_of(name)));
    writer_.run(fmt::format("DROP TABLE IF EXISTS {}", recent_of(name)));
    writer_.run(fmt::format("DELETE FROM loadstone_rollups WHERE name = '{}'", name));
}

void Rollups::make(const DeclaredRollup& declared) {
    const auto& [name, fact, rollup] = declared;
    drop(name);
    writer_.run(
        fmt::format("CREATE TABLE {} AS {}", rolled_of(name), grouped(rollup, quoted(fact))));
    writer_.run(fmt::format("CREATE TABLE {} AS SELECT * FROM {} LIMIT 0", recent_of(name),
                            rolled_of(name)));
    writer_.run(rolled_alone(declared));
    // Names and words have no quote in them.
    writer_.run(fmt::format("INSERT INTO loadstone_rollups VALUES ('{}', '{}', '{}')", name, fact,
                            to_text(rollup)));
}

void Rollups::add(const std::string& fact, const std::string& batch) {
    for (Kept& kept : all_) {
        if (kept.declared.fact != fact) continue;
        if (!kept.joins) writer_.run(joined(kept.declared));
        kept.joins = true;
        const std::string groups = grouped(kept.declared.rollup, batch);
        kept.recent +=
            writer_.run(fmt::format("INSERT INTO {} {}", recent_of(kept.declared.name), groups));
    }
}

void Rollups::replace(const std::string& fact, const std::string& batch, const std::string& key,
                      std::int64_t first, std::int64_t end) {
    for (Kept& kept : all_) {
        const auto& [name, of, rollup] = kept.declared;
        if (of != fact) continue;
        if (std::ranges::find(rollup.keys(), key) == rollup.keys().end())
            throw Error(
                Errc::internal,
                fmt::format("rollup {} is not by {}, by which {} is made anew", name, key, fact));
        const std::string range = fmt::format("{0} >= {1} AND {0} < {2}", quoted(key), first, end);
        kept.recent -= writer_.run(fmt::format("DELETE FROM {} WHERE {}", recent_of(name), range));
        kept.rolled -= writer_.run(fmt::format("DELETE FROM {} WHERE {}", rolled_of(name), range));
        kept.rolled +=
            writer_.run(fmt::format("INSERT INTO {} {}", rolled_of(name), grouped(rollup, batch)));
    }
}

void Rollups::count(Kept& kept) {
    const std::string& name = kept.declared.name;
    Result row;
    query(writer_,
          fmt::format("SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})",
                      rolled_of(name), recent_of(name)),
          row);
    kept.rolled = row.number(0, 0);
    kept.recent = row.number(1, 0);
}

void Rollups::count_again() {
    for (Kept& kept : all_) {
        kept.joins = false;
        count(kept);
    }
}

void Rollups::merge_grown() {
    for (Kept& kept : all_) {
        if (kept.recent >= std::max(recent_min_, kept.rolled / rolled_per_recent)) try_merge(kept);
    }
}

void Rollups::merge_named(std::string_view text) {
    for (Kept& kept : all_) {
        const bool is_named = text.find(kept.declared.name) != std::string_view::npos;
        if (kept.recent > 0 && is_named && steady_clock::now() >= kept.rests_until) try_merge(kept);
    }
}

void Rollups::try_merge(Kept& kept) {
    const auto began = steady_clock::now();
    auto work = [&] { merge(kept.declared); };
    try {
        writer_.in_transaction(work);
        kept.joins = false;
        count(kept);
    } catch (const Error& error) {
        fmt::print(stderr, "loadstone-duckdb: rollup {} is not merged: {}\n", kept.declared.name,
                   error.what());
        ++failed_merges_;
        kept.recent = 0;  // later, when as much has come again
    }
    const auto ended = steady_clock::now();
    kept.rests_until = ended + rests_per_merge * (ended - began);
}

void Rollups::merge(const DeclaredRollup& declared) {
    const auto& [name, fact, rollup] = declared;
    writer_.run(fmt::format(
        "CREATE OR REPLACE TEMP TABLE loadstone_merged AS SELECT a.rowid AS loadstone_row, {} FROM "
        "{} AS a RIGHT JOIN ({}) AS b ON {}",
        both(rollup), rolled_of(name), merged_groups(rollup, recent_of(name)), same_keys(rollup)));
    writer_.run(
        fmt::format("DELETE FROM {} WHERE rowid IN (SELECT loadstone_row FROM loadstone_merged)",
                    rolled_of(name)));
    writer_.run(fmt::format("INSERT INTO {} SELECT * EXCLUDE (loadstone_row) FROM loadstone_merged",
                            rolled_of(name)));
    writer_.run(fmt::format("DELETE FROM {}", recent_of(name)));
    writer_.run("DROP TABLE loadstone_merged");
    writer_.run(rolled_alone(declared));
}

}  // namespace loadstone::analytics::duckdb
