#include "tests/conformance/jobs_features.h"

namespace features {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using test_kinds::note;
using test_kinds::wait_for_the_end;

namespace {

Task<void> handle_crowded(Context& context, Job<Crowded> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
}

Task<void> handle_throttled(Context& context, Job<Throttled> job) {
    note(context, job->text);
    co_return;
}

Task<void> handle_ordered(Context& context, Job<Ordered> job) {
    note(context, job->account + std::to_string(job->number));
    if (job->number == 0 && stage->failures_left-- > 0) throw std::runtime_error("not yet");
    co_return;
}

Task<void> handle_tenanted(Context& context, Job<Tenanted> job) {
    note(context, job->tenant);
    co_return;
}

Task<void> handle_unique(Context& context, Job<Unique> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
    if (stage->failures_left-- > 0) throw loadstone::Error(loadstone::Errc::data_loss, "broken");
}

Task<void> handle_periodic(Context& context, Job<Periodic> job) {
    note(context, job->key);
    co_return;
}

Task<void> handle_fleeting(Context& context, Job<Fleeting> job) {
    note(context, job->text);
    co_return;
}

Task<void> handle_bounded(Context& context, Job<Bounded> job) {
    note(context, std::to_string(job->number));
    co_return;
}
Task<void> handle_postponed(Context& context, Job<Postponed> job) {
    note(context, std::to_string(job->number));
    co_return;
}

Task<void> handle_greeting(Context& context, Job<Greeting> job) {
    note(context, job->name + " " + job->language);
    co_return;
}

Task<void> save_count(loadstone::Tx& tx, jobs::Lease lease, int count) {
    co_await jobs::save_step(tx, lease, "count", count);
}
Task<void> handle_long(Context& context, Job<Long> job) {
    ++stage->attempts;
    const auto saved = co_await jobs::saved_step<int>(context.reader(), job.lease(), "count");
    for (int i = saved.value_or(0); i < job->steps; ++i) {
        note(context, "step " + std::to_string(i));
        co_await context.write(save_count, job.lease(), i + 1);
        job.progress((i + 1.0) / job->steps, std::to_string(i + 1) + " done");
        if (i == 1 && stage->failures_left-- > 0) throw std::runtime_error("in the middle");
    }
    co_await wait_for_the_end(context);
}

// Looks at nothing but the stage.
Task<void> handle_stubborn(Context& context, Job<Stubborn> job) {
    note(context, job->text);
    while (!stage->may_end) {
        const auto soon = loadstone::Deadline::in(milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
    }
}

Task<void> handle_snoozer(Context& context, Job<Snoozer> job) {
    note(context, job->text + " " + std::to_string(job.attempt()));
    if (stage->failures_left-- > 0) throw jobs::snooze(milliseconds(50));
    co_return;
}

Task<void> handle_part(Context& context, Job<Part> job) {
    note(context, job->name);
    if (job->name == "bad") throw loadstone::Error(loadstone::Errc::data_loss, "bad");
    job.give(job->value);
    co_return;
}
Task<void> handle_sum(Context& context, Job<Sum> job) {
    int sum = 0;
    for (const char c : job->of) {
        const std::string name(1, c);
        const auto part = co_await jobs::result_of<int>(context.reader(), job.lease(), name);
        sum += part.value_or(1'000);
    }
    const auto before = co_await jobs::ended_before(context.reader(), job.lease());
    note(context, "sum " + std::to_string(sum) + " of " + std::to_string(before.jobs) + ", " +
                      std::to_string(before.failed) + " failed");
}

Task<void> on_happened(Context& context, Job<Happened> job) {
    note(context, "heard of " + job->what);
    co_return;
}

Task<void> handle_doomed(Context& context, Job<Doomed> job) {
    note(context, job->text + " " + std::to_string(job.attempt()));
    throw loadstone::Error(loadstone::Errc::internal, "as always");
    co_return;
}
Task<void> on_doomed(Context& context, Job<Doomed> job) {
    note(context, job->text + " is buried" + job->note);
    co_return;
}

std::string add_note(int, std::string json) {
    if (json.find("unreadable") != std::string::npos)
        throw loadstone::Error(loadstone::Errc::data_loss, "cannot be read");
    json.pop_back();
    return json + R"(,"note":", upcast"})";
}

std::string add_language(int from, std::string json) {
    EXPECT_EQ(from, 1);
    json.pop_back();
    return json + R"(,"language":"en"})";
}

}  // namespace

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_crowded).limit({.name = "crowd", .running_max = 2}, &Crowded::key);
    handlers.handle(handle_throttled)
        .limit({.name = "host", .per_second = 20, .burst = 5}, &Throttled::host);
    handlers.handle(handle_ordered)
        .in_order(&Ordered::account)
        .backoff(milliseconds(50), milliseconds(50));
    handlers.handle(handle_tenanted).tenant(&Tenanted::tenant);
    handlers.handle(handle_unique).unique(&Unique::key);
    handlers.handle(handle_periodic).unique_for(milliseconds(1'500), &Periodic::key);
    handlers.handle(handle_fleeting).expires_after(milliseconds(100));
    handlers.handle(handle_bounded).queue("bounded").bound(3);
    handlers.handle(handle_postponed)
        .queue("postponed")
        .bound(3, jobs::OverBound::delay, milliseconds(3'600'000));
    handlers.handle(handle_greeting).version(2, add_language);
    handlers.handle(handle_long).backoff(milliseconds(10), milliseconds(10));
    handlers.handle(handle_stubborn);
    handlers.handle(handle_snoozer);
    handlers.handle(handle_part).attempts(1);
    handlers.handle(handle_sum);
    handlers.on(on_happened);
    handlers.handle(handle_doomed)
        .attempts(2)
        .backoff(milliseconds(10), milliseconds(10))
        .version(2, add_note);
    handlers.on_buried(on_doomed);
}

}  // namespace features
