#include "campus/integrations/jobs.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "campus/integrations/commands.h"
#include "campus/integrations/integrations.h"
#include "campus/integrations/page.h"
#include "campus/integrations/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/outbound/http.h"

namespace campus::integrations {

using namespace loadstone;
using std::chrono::milliseconds;

namespace {

constexpr int attempts_max = 5;
constexpr std::int64_t pages_max = 100'000;
constexpr milliseconds put_off_default{60'000};  // 429 or 503 without a Retry-After
constexpr milliseconds put_off_min{1'000};
constexpr milliseconds put_off_max{3'600'000};

// What the roster's server has said that another attempt would not change.
class Refusal : public Error {
public:
    explicit Refusal(std::string message) : Error(Errc::invalid_argument, std::move(message)) {}
};

// What may pass: the server is away, or its answer is damaged (data_loss). It counts as an attempt,
// so that it is not asked for ever.
class Hitch : public Error {
public:
    explicit Hitch(std::string message, Errc code = Errc::resource_exhausted)
        : Error(code, std::move(message)) {}
};

bool is_put_off(int status) { return status == 429 || status == 503; }

milliseconds put_off_for(const outbound::HttpResponse& response) {
    return std::clamp(response.retry_after.value_or(put_off_default), put_off_min, put_off_max);
}

outbound::HttpRequest request_of(const sql::RosterRow& roster, const Step& step) {
    outbound::HttpRequest request;
    request.url = url_of_page(roster.url, step.next);
    request.headers = {{"Accept", "application/json"}};
    request.body_bytes_max = page_bytes_max;
    return request;
}

Page page_of(const sql::RosterRow& roster, const Step& step,
             const outbound::HttpResponse& response) {
    if (response.status >= 500)
        throw Hitch(fmt::format("{} answers {}", roster.host, response.status));
    if (response.status != 200)
        throw Refusal(fmt::format("{} answers {}", roster.host, response.status));
    Page page;
    try {
        page = read_page(response.body);
    } catch (const Error& error) {
        throw Hitch(
            fmt::format("{}: page {} is none: {}", roster.host, step.pages + 1, error.message()),
            Errc::data_loss);
    }
    if (!page.next.empty() && page.next == step.next)
        throw Refusal(
            fmt::format("{}: page {} names itself as the next", roster.host, step.pages + 1));
    if (step.pages >= pages_max)
        throw Refusal(fmt::format("{}: more than {} pages", roster.host, pages_max));
    return page;
}

Task<outbound::HttpResponse> ask(Context& context, const sql::RosterRow& roster, const Step& step) {
    auto& client = context.services().get<outbound::HttpClient>();
    outbound::HttpRequest request = request_of(roster, step);
    try {
        co_return co_await client.get(context, std::move(request));
    } catch (const Error& error) {
        switch (error.code()) {
            case Errc::resource_exhausted:
            case Errc::invalid_argument: throw Refusal(error.message());
            case Errc::unavailable:
            case Errc::deadline_exceeded: throw Hitch(error.message());
            default: throw;
        }
    }
}

// Of all that the roster says to have; 0 where it says nothing. Whoever stands in it twice on one
// page counts once, so the end may come early.
double fraction_of(const Step& step, std::int64_t total) {
    if (step.is_over) return 1;
    if (total <= 0) return 0;
    const auto read = static_cast<double>(step.people + step.skipped);
    return std::min(read / static_cast<double>(total), 1.0);
}

// One answer after the other, so that its server has one request of ours at a time.
Task<void> read_roster(Context& context, const Job<SyncRoster>& job, const sql::RosterRow& roster) {
    const auto saved = co_await jobs::saved_step<Step>(context.reader(), job.lease(), step_name);
    Step step = saved.value_or(Step());
    while (!step.is_over) {
        const outbound::HttpResponse response = co_await ask(context, roster, step);
        if (is_put_off(response.status)) {
            const milliseconds wait = put_off_for(response);
            std::string error = fmt::format("{} answers {}: put off for {} s", roster.host,
                                            response.status, (wait.count() + 999) / 1'000);
            co_await context.write(note_failure, roster.id, error);
            throw jobs::snooze(wait);
        }
        Page page = page_of(roster, step, response);
        const std::int64_t total = page.total;
        ++step.pages;
        step.people += static_cast<std::int64_t>(page.people.size());
        step.skipped += static_cast<std::int64_t>(page.skipped);
        step.is_over = page.next.empty();
        step.next = std::move(page.next);
        step = co_await context.write(take_page, job.lease(), roster.id, page.people, step);
        job.progress(fraction_of(step, total),
                     fmt::format("{} people in {} pages", step.people, step.pages));
    }
    co_await context.write(finish_sync, job.lease(), roster.id, step);
}

Task<void> end_with(Context& context, const Job<SyncRoster>& job, const sql::RosterRow& roster,
                    std::string error) {
    log::warning("a roster could not be read", {{"roster", roster.name}, {"error", error}});
    context.shield(jobs::recording_grace);
    co_await context.write(end_sync, job.lease(), roster.id, error);
}

Task<void> sync_roster(Context& context, Job<SyncRoster> job) {
    const auto roster = co_await sql::roster_by_id(context.reader(), job->roster);
    if (!roster) co_return;
    std::optional<Refusal> refused;
    std::optional<Hitch> hitch;
    try {
        co_await read_roster(context, job, *roster);
    } catch (const Refusal& error) {
        refused = error;
    } catch (const Hitch& error) {
        hitch = error;
    } catch (const Error& error) {
        if (error.code() != Errc::not_found) throw;  // else it has been removed meanwhile
    }
    if (refused) {
        co_await end_with(context, job, *roster, refused->message());
    } else if (hitch && job.attempt() >= attempts_max) {
        co_await end_with(context, job, *roster, hitch->message());
    } else if (hitch) {
        std::string error = hitch->message();
        context.shield(jobs::recording_grace);
        co_await context.write(note_failure, roster->id, error);
        throw Error(*hitch);
    }
}

Task<void> sync_all_rosters(Context& context, Job<SyncAllRosters>) {
    co_await context.write(sync_all);
}

}  // namespace

void jobs(Handlers& handlers) {
    loadstone::jobs::Limit host;
    host.name = "rosters.host";
    host.running_max = 1;
    host.per_second = 1;
    host.burst = 2;
    handlers.handle(sync_roster)
        .attempts(attempts_max)
        .timeout(std::chrono::minutes(10))
        .backoff(std::chrono::seconds(30), std::chrono::minutes(10))
        .retry_on({Errc::data_loss})  // a page that was cut short is whole the next time
        .jitter(0.5)                  // a host that was away finds them apart
        .limit(host, &SyncRoster::host)
        .unique(&SyncRoster::roster);
    // One that runs has read which rosters there are.
    handlers.handle(sync_all_rosters).unique().unique_while(loadstone::jobs::UniqueWhile::waits);
    handlers.recurring("hourly", "0 * * * *", "UTC", SyncAllRosters{});
}

}  // namespace campus::integrations
