#pragma once
// A table for tests, and what is done with it.

#include <string>
#include <vector>

#include "loadstone/store/sqlite/testing.h"

namespace loadstone::store::testing {

inline constexpr Command create_items{
    .name = "test.create_items",
    .sqlite =
        "create table items (id integer primary key, name text not null unique, "
        "owner integer references items (id) deferrable initially deferred)"};
inline constexpr Command add_item{.name = "test.add_item",
                                  .sqlite = "insert into items (name) values (?1) returning id",
                                  .parameters = 1};
inline constexpr Command add_owned_item{.name = "test.add_owned_item",
                                        .sqlite = "insert into items (name, owner) values (?1, ?2)",
                                        .parameters = 2};
inline constexpr Query item_names{.name = "test.item_names",
                                  .sqlite = "select name from items order by id"};
inline constexpr Query item_count{.name = "test.item_count",
                                  .sqlite = "select count(*) from items"};
// ?1 rows, with about 5 VM steps each.
inline constexpr Query numbers{
    .name = "test.numbers",
    .sqlite =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1) "
        "select i from n",
    .parameters = 1};
// One row, after a count of ?1.
inline constexpr Query slow_sum{
    .name = "test.slow_sum",
    .sqlite =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1) "
        "select sum(i) from n",
    .parameters = 1};
inline constexpr Command add_many_items{
    .name = "test.add_many_items",
    .sqlite =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1) "
        "insert into items (name) select 'many ' || i from n",
    .parameters = 1};

inline Task<void> create_table(Tx& tx) { co_await tx.exec(create_items); }

inline Task<std::int64_t> insert_item(Tx& tx, const std::string& name) {
    co_return co_await tx.one<std::int64_t>(add_item, name);
}

// The reader of the loop that runs them.
inline Task<std::int64_t> count_items(Context& context) {
    co_return co_await context.reader().one<std::int64_t>(item_count);
}
inline Task<std::vector<std::string>> list_items(Context& context) {
    co_return co_await context.reader().many<std::string>(item_names);
}
inline Task<std::int64_t> sum_to(Context& context, std::int64_t last) {
    co_return co_await context.reader().one<std::int64_t>(slow_sum, last);
}

class ItemsTest : public StoreTest {
protected:
    static constexpr std::chrono::seconds ample{20};

    // In a context of its own, on loop 0, and waited for.
    template <class Command, class... Arguments>
    auto write(Command command, const Arguments&... arguments) {
        Context context(*services, Deadline::in(ample));
        return run(context.write(command, arguments...));
    }
    void open_with_items() {
        open();
        write(create_table);
    }
    Task<void> insert_named(std::string name, Deadline deadline, std::atomic<int>* done,
                            std::atomic<int>* failed) {
        Context context(*services, deadline);
        try {
            co_await context.write(insert_item, name);
            ++*done;
        } catch (const Error&) {
            ++*failed;
        }
    }
    std::vector<std::string> names() {
        Context context(*services, Deadline::in(ample));
        return run(list_items(context));
    }
    std::int64_t count() {
        Context context(*services, Deadline::in(ample));
        return run(count_items(context));
    }
};

// With a disk whose fsyncs can be held, so that writes queue up behind a commit.
class HeldDiskTest : public ItemsTest {
protected:
    ~HeldDiskTest() override {
        disk.release_syncs();
        close();  // its files lead to `disk`
    }
    // A write whose commit does not end before the disk is released.
    void hold(runtime::TaskScope& scope) {
        disk.hold_syncs();
        scope.spawn(loops.executor(0), insert_named("holds", Deadline::in(ample), &done, &failed));
        ASSERT_TRUE(wait_until([&] { return disk.syncs_held > 0; }));
    }
    bool queued(int writes) {
        const std::string line = "loadstone_store_write_queue{database=\"sqlite\"} ";
        return wait_until([&] {
            return registry.prometheus().find(line + std::to_string(writes) + "\n") !=
                   std::string::npos;
        });
    }

    FaultyVfs disk;
    std::atomic<int> done{0};
    std::atomic<int> failed{0};
};

}  // namespace loadstone::store::testing
