// campus jobs watch.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/jobs_commands.h"
#include "loadstone/server/internal/terminal.h"
#include "loadstone/server/internal/watch_view.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds look_every{1'000};
constexpr milliseconds look_deadline{5'000};
constexpr int running_max = 200;  // more than a terminal shows

struct Tables {
    std::vector<jobs::QueueStats> queues;
    std::vector<jobs::RunningJob> running;
};

Task<Tables> tables_in(const runtime::Services& services, jobs::StatsFilter filter,
                       std::set<std::string> have_run) {
    Context context(services, Deadline::in(look_deadline));
    Tables tables;
    tables.queues = co_await jobs::queue_stats(context.reader(), filter, have_run);
    tables.running = co_await jobs::running_jobs(context.reader(), running_max, filter);
    co_return tables;
}

// How many jobs of each queue end in a second, from what the servers of this machine count. (The
// database keeps nothing of a job that is done.)
class DoneRates {
public:
    // Of one kind, or of all if it is empty.
    DoneRates(std::string folder, const jobs::Queue& queue, std::string kind)
        : folder_(std::move(folder)), queue_(&queue), kind_(std::move(kind)) {}

    // By queue; nothing at the first look.
    std::map<std::string, double> look() {
        const auto now = Clock::now();
        const std::vector<AdminAnswer> answers = ask_servers(folder_, "metrics");
        const double seconds = std::chrono::duration<double>(now - last_look_).count();
        std::map<std::string, double> rates;
        std::map<std::string, std::map<std::string, double>> counts;
        for (const AdminAnswer& answer : answers) {
            auto& own = counts[answer.process] = done_by_kind(answer.text);
            for (const auto& [kind, done] : own) note_queue(kind, done);
            const auto before = last_.find(answer.process);
            if (before == last_.end()) continue;
            for (const auto& [kind, done] : own) add(rates, kind, done - before->second[kind]);
        }
        for (auto& [name, rate] : rates) rate /= seconds;
        is_known_ = !last_.empty();
        processes_ = static_cast<std::int64_t>(answers.size());
        last_ = std::move(counts);
        last_look_ = now;
        return rates;
    }
    // Of which jobs have ended: also those of which the tables have none at the moment.
    const std::set<std::string>& queues() const noexcept { return queues_; }
    bool is_known() const noexcept { return is_known_; }
    std::int64_t processes() const noexcept { return processes_; }

private:
    // Null: not one that is asked for.
    const jobs::Kind* asked_for(const std::string& kind) const {
        return kind_.empty() || kind == kind_ ? queue_->find(kind) : nullptr;
    }
    void add(std::map<std::string, double>& rates, const std::string& kind, double done) const {
        const jobs::Kind* known = asked_for(kind);
        if (known != nullptr && done > 0) rates[known->queue] += done;
    }
    void note_queue(const std::string& kind, double done) {
        const jobs::Kind* known = asked_for(kind);
        if (known != nullptr && done > 0) queues_.insert(known->queue);
    }

    std::string folder_;
    const jobs::Queue* queue_;
    std::string kind_;
    std::map<std::string, std::map<std::string, double>> last_;  // by process, kind
    std::set<std::string> queues_;
    Clock::time_point last_look_ = Clock::now();
    bool is_known_ = false;
    std::int64_t processes_ = 0;
};

class Watch {
public:
    Watch(CommandSession& session, const Config& config, const WatchQuery& query)
        : session_(&session),
          filter_{query.queue, query.kind},
          rates_((std::filesystem::path(config.data) / "run").string(), session.queue(),
                 query.kind) {}

    // A database that is away for a while is told; what was seen before stands.
    const WatchLook& look() {
        look_.time = Timestamp::now();
        look_.trouble.clear();
        const std::map<std::string, double> rates = rates_.look();
        look_.processes = rates_.processes();
        try {
            Tables tables = run_blocking(session_->loops(),
                                         tables_in(session_->services(), filter_, rates_.queues()));
            look_.queues.clear();
            for (jobs::QueueStats& queue : tables.queues) add(std::move(queue), rates);
            look_.running = std::move(tables.running);
        } catch (const Error& error) {
            look_.trouble = fmt::format("{}: {}", to_string(error.code()), error.message());
        }
        return look_;
    }

private:
    void add(jobs::QueueStats&& stats, const std::map<std::string, double>& rates) {
        WatchedQueue queue;
        queue.name = std::move(stats.name);
        queue.ready = stats.ready;
        queue.oldest_us = stats.oldest_us;
        queue.running = stats.running;
        queue.retrying = stats.retrying;
        queue.dead = stats.dead;
        queue.is_paused = stats.is_paused;
        const auto rate = rates.find(queue.name);
        if (rates_.is_known()) queue.done_per_second = rate == rates.end() ? 0 : rate->second;
        look_.queues.push_back(std::move(queue));
    }

    CommandSession* session_;
    jobs::StatsFilter filter_;
    DoneRates rates_;
    WatchLook look_;
};

void watch_live(Watch& watch, LiveTerminal& terminal, int times) {
    using Event = LiveTerminal::Event;
    for (int looks = 0; times == 0 || looks < times; ++looks) {
        const Clock::time_point next = Clock::now() + look_every;
        const WatchLook& look = watch.look();
        Event event = Event::resized;
        while (event != Event::quit) {
            const LiveTerminal::Size size = terminal.size();
            if (event == Event::resized) terminal.show(screen_of(look, size.width, size.height));
            const auto left = std::chrono::ceil<milliseconds>(next - Clock::now());
            event = terminal.wait(std::max(left, milliseconds(0)));
            if (event == Event::none && Clock::now() >= next) break;
        }
        if (event == Event::quit) return;
    }
}

void watch_in_lines(Watch& watch, const StopSignals& signals, const WatchQuery& query) {
    Clock::time_point next = Clock::now();
    for (int looks = 0; query.times == 0 || looks < query.times; ++looks) {
        if (!signals.sleep_until(next)) return;
        next += look_every;
        const WatchLook& look = watch.look();
        if (query.json) {
            print(to_json(look) + "\n");
        } else {
            for (const std::string& line : lines_of(look)) print(line + "\n");
        }
        if (std::fflush(stdout) != 0) return;  // nobody reads it any more
    }
}

}  // namespace

void watch_jobs_command(const Config& config, const std::vector<Module>& modules,
                        const WatchQuery& query) {
    const StopSignals signals;  // before the session's threads
    CommandSession session(config, modules);
    Watch watch(session, config, query);
    if (stdout_is_terminal() && !query.json) {
        LiveTerminal terminal(signals);
        watch_live(watch, terminal, query.times);
    } else {
        watch_in_lines(watch, signals, query);
    }
}

}  // namespace loadstone::server::internal
