#include "tests/conformance/jobs_stage.h"

namespace test_kinds {

Stage* stage = nullptr;

void note(loadstone::Context& context, const std::string& text) {
    context.services().get<tests::conformance::Diary>().ran(text);
}

loadstone::Task<void> wait_for_the_end(loadstone::Context& context) {
    const int now = ++stage->running;
    int seen = stage->running_max;
    while (seen < now && !stage->running_max.compare_exchange_weak(seen, now)) {
    }
    while (!stage->may_end && !context.is_cancelled()) {
        const auto soon = loadstone::Deadline::in(std::chrono::milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
        ++stage->waits;
    }
    --stage->running;
    context.throw_if_done("waiting for the end");
}

namespace {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;

Task<void> handle_crowd(Context& context, Job<Crowd> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
}
Task<void> handle_tenant(Context& context, Job<Tenant> job) {
    note(context, job->tenant);
    const auto soon = loadstone::Deadline::in(std::chrono::milliseconds(job->number));
    co_await loadstone::runtime::sleep_until(soon);
}
Task<void> handle_single(Context& context, Job<Single> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
}

}  // namespace

void declare_keyed(loadstone::Handlers& handlers) {
    handlers.handle(handle_crowd).limit({.name = "crowd", .running_max = 2}, &Crowd::key);
    handlers.handle(handle_tenant).tenant(&Tenant::tenant);
    handlers.handle(handle_single).unique(&Single::key);
}

}  // namespace test_kinds

namespace tests::conformance {

Task<bool> remove_process_in(Tx& tx, std::int64_t process) {
    co_await tx.exec(jobs::sql::remove_process, process);
    co_return true;
}

Task<std::int64_t> results_left(Reader reader) {
    static constexpr std::string_view text = "select count(*) from loadstone_results";
    static constexpr loadstone::store::Query query{
        .name = "test.results", .sqlite = text, .postgres = text};
    co_return co_await reader.one<std::int64_t>(query);
}

Task<bool> schedules_lag(Tx& tx) {
    static constexpr std::string_view text =
        "update loadstone_schedules set fired_at = fired_at - 120000000";
    static constexpr loadstone::store::Command query{
        .name = "test.lag", .sqlite = text, .postgres = text};
    co_return co_await tx.exec(query) == 2;
}

}  // namespace tests::conformance
