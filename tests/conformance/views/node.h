#pragma once
// A node: a store with a cache on it, as a server has them. Several share one database.

#include <atomic>
#include <functional>
#include <vector>

#include "loadstone/cache/view.h"
#include "loadstone/runtime/event.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/views/sql.h"

namespace tests::conformance::views {

namespace cache = loadstone::cache;

class Node {
public:
    explicit Node(const loadstone::store::DatabaseOptions& options,
                  cache::CacheOptions cache_options = {});

    TestStore& store() noexcept { return store_; }
    cache::Cache& cache() noexcept { return cache_; }
    std::uint64_t counted(const std::string& name) {
        return store_.registry().counter("loadstone_cache_" + name + "_total", "", "").value();
    }

    // Runs `command(context, arguments...)` with the services of an application; `session` is
    // where it begins, and gets where it has come to, also when it fails. Without one it reads the
    // latest.
    template <class Command, class... Arguments>
    auto start(loadstone::runtime::Position* session, Command command, Arguments... arguments);
    template <class Command, class... Arguments>
    auto run(Command command, Arguments... arguments) {
        return start(nullptr, command, std::move(arguments)...).get();
    }

private:
    template <class Command, class... Arguments>
    static std::invoke_result_t<Command&, Context&, Arguments&...> in_application(
        Context& outer, Node* node, loadstone::runtime::Position* session, Command command,
        Arguments... arguments);

    TestStore store_;
    cache::Cache cache_;
    loadstone::runtime::Services services_;
};

struct Total {
    std::int64_t points = 0;
};
BOOST_DESCRIBE_STRUCT(Total, (), (points))

// How often a total was computed; and what a computation does after it has read.
inline std::atomic<int> computations{0};
inline std::atomic<bool> is_held{false};
inline std::atomic<int> held{0};
inline loadstone::runtime::Event release_held;
// Guarded totals that are being computed, and the most there were.
inline std::atomic<int> under_way{0}, under_way_most{0};

Task<Total> compute_total(Reader reader, std::int64_t course);
Task<Total> compute_failing(Reader reader, std::int64_t course);
Task<Total> compute_guarded(Reader reader, std::int64_t course);
Task<Total> compute_sum(Reader reader, std::vector<std::int64_t> courses);

inline const cache::View<std::int64_t, Total> total_of{
    .name = "views.total", .compute = compute_total, .reads = {{"scores", "course_id"}}};
inline const cache::View<std::int64_t, Total> guarded_total_of{
    .name = "views.guarded_total", .compute = compute_guarded, .reads = {{"scores", "course_id"}}};
inline const cache::View<std::vector<std::int64_t>, Total> sum_of{
    .name = "views.sum", .compute = compute_sum, .reads = {{"scores", "course_id"}}};

inline const cache::View<std::int64_t, Total> shared_total_of{.name = "views.shared_total",
                                                              .compute = compute_total,
                                                              .reads = {{"scores", "course_id"}},
                                                              .once_in_cluster = true};
inline const cache::View<std::int64_t, Total> patient_total_of{
    .name = "views.patient_total",
    .compute = compute_total,
    .reads = {{"scores", "course_id"}},
    .stale_for = std::chrono::seconds(60)};

inline const cache::View<std::int64_t, Total> brief_total_of{
    .name = "views.brief_total",
    .compute = compute_total,
    .reads = {{"scores", "course_id"}},
    .fresh_for = std::chrono::milliseconds(300)};
inline const cache::View<std::int64_t, Total> failing_total_of{
    .name = "views.failing_total", .compute = compute_failing, .reads = {{"scores", "course_id"}}};

Task<std::int64_t> shared_total(Context& context, std::int64_t course);
Task<std::int64_t> brief_total(Context& context, std::int64_t course);
// not_found, which tells that it has looked.
Task<std::int64_t> failing_total(Context& context, std::int64_t course);
// Less than 0: it was said to be stale.
Task<std::int64_t> patient_total(Context& context, std::int64_t course);
Task<std::int64_t> cached_total(Context& context, std::int64_t course);
// An answer that may be an hour old.
Task<std::int64_t> old_total(Context& context, std::int64_t course);
Task<std::int64_t> guarded_total(Context& context, std::int64_t course);
Task<std::int64_t> cached_sum(Context& context, std::vector<std::int64_t> courses);
Task<std::int64_t> uncached_total(Context& context, std::int64_t course);
Task<void> add_point(Context& context, std::int64_t course, std::int64_t user);
Task<void> add_point_everywhere(Context& context, std::int64_t user);
Task<void> change_course(Context& context, std::int64_t user, std::int64_t before,
                         std::int64_t after);
Task<void> write_and_fail(Context& context, std::int64_t course);
Task<void> remark(Context& context, std::int64_t id);

template <class Command, class... Arguments>
std::invoke_result_t<Command&, Context&, Arguments&...> Node::in_application(
    Context& outer, Node* node, loadstone::runtime::Position* session, Command command,
    Arguments... arguments) {
    using Result = std::invoke_result_t<Command&, Context&, Arguments&...>;
    Context context(node->services_, outer.deadline());
    if (session != nullptr)
        context.reading().begin_at(*session);
    else
        context.reading().freshness = loadstone::latest;
    struct Telling {
        Context& context;
        loadstone::runtime::Position* session;
        ~Telling() {
            if (session != nullptr) *session = context.reading().position();
        }
    } telling{context, session};
    if constexpr (std::is_same_v<Result, Task<void>>) {
        co_await command(context, arguments...);
    } else {
        auto result = co_await command(context, arguments...);
        co_return result;
    }
}

template <class Command, class... Arguments>
auto Node::start(loadstone::runtime::Position* session, Command command, Arguments... arguments) {
    return store_.start(Deadline::in(std::chrono::seconds(30)),
                        &Node::in_application<Command, Arguments...>, this, session, command,
                        std::move(arguments)...);
}

inline void migrate_views(const loadstone::store::DatabaseOptions& options) {
    const std::vector<loadstone::store::ModuleMigrations> modules{
        loadstone::store::store_migrations(),
        {"loadstone_cache", cache::migrations()},
        {"views", sql::migrations}};
    loadstone::store::migrate(options, modules);
}

class Views : public ::testing::TestWithParam<Backend> {
protected:
    Views() : database_(GetParam()), options_(test_options(database_.url())) {
        migrate_views(options_);
        computations = 0;
        is_held = false;
        held = 0;
        release_held.reset();
        under_way = under_way_most = 0;
    }

    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
};

}  // namespace tests::conformance::views
