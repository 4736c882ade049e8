#include "loadstone/server/internal/jobs_command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace loadstone::server::internal {

namespace {

constexpr int running_most = 1'000'000;
constexpr double per_second_least = 0.000'1;  // a start in three hours
constexpr double per_second_most = 1'000'000;
constexpr double weight_least = 0.001;
constexpr double weight_most = 1'000'000;

// An option that was given, and not its default.
template <class T>
CLI::Option* add_optional(CLI::App& command, const std::string& name, std::optional<T>& value,
                          const std::string& help) {
    return command.add_option_function<T>(name, [&value](const T& given) { value = given; }, help);
}

CLI::Validator bounded(double least, double most, bool or_zero) {
    const auto check = [=](const std::string& text) -> std::string {
        double value = 0;
        if (!CLI::detail::lexical_cast(text, value)) return fmt::format("{} is no number", text);
        if ((value >= least && value <= most) || (or_zero && value == 0)) return "";
        return fmt::format("{} is not {}{} to {}", text, or_zero ? "0 or " : "", least, most);
    };
    return {check, ""};
}

void add_looking(CLI::App& jobs, const AddCommand& add, const Config& config,
                 const std::vector<Module>& modules, JobsArguments& arguments) {
    JobsQuery& query = arguments.query;
    CLI::App* list = add(jobs, "list", "Waiting, blocked, running and dead jobs, newest first",
                         [&] { list_jobs_command(config, modules, query); });
    list->add_option("--state", query.state,
                     "waiting (or of these ready, scheduled, retrying), blocked, running or dead")
        ->check(CLI::IsMember(
            {"waiting", "ready", "scheduled", "retrying", "blocked", "running", "dead"}));
    list->add_option("--kind", query.kind, "only this kind");
    list->add_option("--queue", query.queue, "only this queue");
    list->add_option("--tenant", query.tenant, "only of this tenant");
    list->add_option("--partition", query.partition,
                     "only of this partition, as the JSON has it: TENANT|LIMIT:KEY|..");
    list->add_option("--error", query.error, "only with this in their error");
    list->add_option("--before", query.before, "only ids below: the next page");
    list->add_option("--limit", query.limit, "how many")
        ->check(CLI::Range(1, 1'000))
        ->capture_default_str();
    list->add_flag("--json", query.json, "as JSON");
    CLI::App* show = add(jobs, "show", "One job: its state, progress, keys and limits",
                         [&] { show_job_command(config, modules, arguments.job, query.json); });
    show->add_option("id", arguments.job, "its id")->required();
    show->add_flag("--json", query.json, "as JSON");
    CLI::App* why = add(jobs, "why", "Why a job does not run now",
                        [&] { why_job_command(config, modules, arguments.job, query.json); });
    why->add_option("id", arguments.job, "its id")->required();
    why->add_flag("--json", query.json, "as JSON");
    CLI::App* stats =
        add(jobs, "stats", "Each queue and kind: what waits, runs, fails, and for how long",
            [&] { jobs_stats_command(config, modules, query); });
    stats->add_option("--kind", query.kind, "only this kind");
    stats->add_option("--queue", query.queue, "only this queue");
    stats->add_flag("--json", query.json, "as JSON");
    CLI::App* watch =
        add(jobs, "watch", "Each queue and what runs, every second; q or Ctrl-C ends it",
            [&] { watch_jobs_command(config, modules, arguments.watch); });
    watch->add_option("--times", arguments.watch.times, "so many looks; 0: until it is stopped")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    watch->add_option("--kind", arguments.watch.kind, "only this kind");
    watch->add_option("--queue", arguments.watch.queue, "only this queue");
    watch->add_flag("--json", arguments.watch.json, "each look as a line of JSON");
    add(jobs, "schedules", "Each recurring job: when it has fired, when it fires next", [&] {
        schedules_command(config, modules, query.json);
    })->add_flag("--json", query.json, "as JSON");
}

void add_acting(CLI::App& jobs, const AddCommand& add, const Config& config,
                const std::vector<Module>& modules, JobsArguments& arguments) {
    bool& json = arguments.query.json;
    CLI::App* retry = add(jobs, "retry", "Make a waiting job due now, or put a dead one back",
                          [&] { retry_job_command(config, modules, arguments.job, json); });
    retry->add_option("id", arguments.job, "its id")->required();
    retry->add_flag("--json", json, "as JSON");
    CLI::App* cancel = add(jobs, "cancel", "Forget a job that waits, stop one that runs", [&] {
        if (arguments.is_workflow) {
            cancel_workflow_command(config, modules, arguments.job, json);
        } else {
            cancel_job_command(config, modules, arguments.job, json);
        }
    });
    cancel->add_option("id", arguments.job, "its id")->required();
    cancel->add_flag("--workflow", arguments.is_workflow,
                     "and all that has not ended of its workflow or batch");
    cancel->add_flag("--json", json, "as JSON");
    RedriveQuery& redrive = arguments.redrive;
    CLI::App* dead = add(jobs, "redrive", "Put dead jobs back, all or some",
                         [&] { redrive_command(config, modules, redrive); });
    dead->add_option("--kind", redrive.kind, "only this kind");
    dead->add_option("--queue", redrive.queue, "only this queue");
    dead->add_option("--error", redrive.error, "only with this in their error");
    dead->add_option("--rate", redrive.rate, "so many a second at most; 0: no limit")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    dead->add_flag("--json", redrive.json, "as JSON");
    for (const bool is_paused : {true, false}) {
        CLI::App* pause = add(
            jobs, is_paused ? "pause" : "resume",
            is_paused ? "Begin no more jobs of a queue" : "Go on with a queue",
            [&, is_paused] { pause_command(config, modules, arguments.queue, is_paused, json); });
        pause->add_option("queue", arguments.queue, "the queue: a module's name")->required();
        pause->add_flag("--json", json, "as JSON");
    }
}

void add_limiting(CLI::App& jobs, const AddCommand& add, const Config& config,
                  const std::vector<Module>& modules, JobsArguments& arguments) {
    add(jobs, "limits", "Each limit as declared and as set, and its busiest keys", [&] {
        limits_command(config, modules, arguments.limit.json);
    })->add_flag("--json", arguments.limit.json, "as JSON");
    LimitQuery& query = arguments.limit;
    CLI::App* limit = add(jobs, "limit", "Set a limit, for all processes, until it is reset",
                          [&] { limit_command(config, modules, query); });
    limit->add_option("name", query.name, "its name, as in `jobs limits`")->required();
    auto* reset = limit->add_flag("--reset", query.is_reset, "as the code declares it again");
    add_optional(*limit, "--running", query.running, "so many of one key at once; 0: any number")
        ->check(CLI::Range(0, running_most))
        ->excludes(reset);
    add_optional(*limit, "--per-second", query.per_second,
                 "so many starts of one key a second; 0: any number")
        ->check(bounded(per_second_least, per_second_most, true))
        ->excludes(reset);
    add_optional(*limit, "--burst", query.burst, "so many starts at once after a pause")
        ->check(CLI::Range(1, running_most))
        ->excludes(reset);
    limit->add_flag("--json", query.json, "as JSON");
    CLI::App* share =
        add(jobs, "share", "Set a tenant's weight, for all processes, until it is reset",
            [&] { share_command(config, modules, arguments.share); });
    share->add_option("tenant", arguments.share.tenant, "the tenant")->required();
    auto* unset = share->add_flag("--reset", arguments.share.is_reset, "1, as all others");
    add_optional(*share, "--weight", arguments.share.weight,
                 "2: twice the starts of a tenant of weight 1")
        ->check(bounded(weight_least, weight_most, false))
        ->excludes(unset);
    share->add_flag("--json", arguments.share.json, "as JSON");
}

}  // namespace

void add_jobs_commands(CLI::App& program, const AddCommand& add, const Config& config,
                       const std::vector<Module>& modules, JobsArguments& arguments) {
    CLI::App* jobs =
        program.add_subcommand("jobs", "Look at jobs, try them again, cancel, pause, limit");
    jobs->require_subcommand(1);
    add_looking(*jobs, add, config, modules, arguments);
    add_acting(*jobs, add, config, modules, arguments);
    add_limiting(*jobs, add, config, modules, arguments);
}

}  // namespace loadstone::server::internal
