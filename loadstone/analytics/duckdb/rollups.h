#pragma once
// Rollups: what the store keeps of a table's facts, grouped (analytics/rollup.h). For each there
// are
//
//   loadstone_rolled_NAME   a row for each group, of the facts up to the last merge
//   loadstone_recent_NAME   rows of groups, of the batches since: a group may have several
//   NAME                    a view of both: what questions read
//
// A batch adds its groups to the recent rows, whatever the number of groups there are: DuckDB has
// no cheap way to a row by its key, and an index of all keys would be held in memory. When the
// recent rows are many they are merged: a walk over the rolled ones, which costs in proportion to
// them, so the more there are, the more it waits for. The view joins the two, the recent ones as
// the hash table: they are few. Where there are none it is the rolled rows alone, which is three
// times as quick; so who is about to ask merges first, if the writer is free.
//
// Over the writer's connection; one thread at a time.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/duckdb/connection.h"
#include "loadstone/analytics/rollup.h"

namespace loadstone::analytics::duckdb {

struct DeclaredRollup {
    std::string name, fact;
    Rollup rollup;
};

class Rollups {
public:
    // `recent_min`: rows of a rollup that are merged at once, or more (rolled_per_recent).
    Rollups(Connection& writer, std::int64_t recent_min)
        : writer_(writer), recent_min_(recent_min) {}

    // As the database has them, which is at `position`. If they were kept up to another one, who
    // does not know of them has brought facts since: all are dropped, and made anew when they are
    // declared.
    void open(const std::string& position);
    // From now on these, whose tables of facts are there: others are dropped, new and changed ones
    // are made of the facts. A transaction for each.
    void declare(const std::vector<DeclaredRollup>& declared);

    bool has_of(const std::string& fact) const;
    // In the transaction that adds the facts of the table `batch` to those of `fact`.
    void add(const std::string& fact, const std::string& batch);
    // The same, when they take the place of those with first <= key < end. Errors: internal if a
    // rollup has not the key.
    void replace(const std::string& fact, const std::string& batch, const std::string& key,
                 std::int64_t first, std::int64_t end);
    // They are kept up to here. In the transaction that has brought the store there.
    void note(const std::string& position);
    // After a transaction that has failed.
    void count_again();
    // Merges what has grown; a transaction of its own, which changes nothing that a question finds.
    // If it fails, that is counted and said on standard error, and it is done when as much has come
    // again.
    void merge_grown();
    // The same with any recent rows, of those that a statement names and that have rested since
    // they were merged: four times as long as that took.
    void merge_named(std::string_view text);
    // From any thread.
    std::int64_t failed_merges() const noexcept { return failed_merges_; }

private:
    struct Kept {
        DeclaredRollup declared;
        std::int64_t rolled = 0, recent = 0;  // rows
        bool joins = false;                   // surely, the view
        std::chrono::steady_clock::time_point rests_until{};
    };
    void make(const DeclaredRollup& declared);
    void drop(const std::string& name);
    void count(Kept& kept);
    void try_merge(Kept& kept);
    void merge(const DeclaredRollup& declared);

    Connection& writer_;
    const std::int64_t recent_min_;
    std::vector<Kept> all_;
    std::atomic<std::int64_t> failed_merges_{0};
};

}  // namespace loadstone::analytics::duckdb
