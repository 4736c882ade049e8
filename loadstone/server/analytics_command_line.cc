#include <CLI/CLI.hpp>

#include "loadstone/server/internal/analytics_commands.h"

namespace loadstone::server::internal {

void add_analytics_commands(CLI::App& program, const AddCommand& add, const Config& config,
                            const std::vector<Module>& modules, AnalyticsQuery& query) {
    CLI::App* analytics = program.add_subcommand(
        "analytics", "The column store: how far behind, questions, made anew, compared");
    analytics->require_subcommand(1);
    using Run = void (*)(const Config&, const std::vector<Module>&, const AnalyticsQuery&);
    const auto command = [&](const std::string& name, const std::string& help, Run run) {
        CLI::App* made = add(*analytics, name, help,
                             [&config, &modules, &query, run] { run(config, modules, query); });
        made->add_flag("--json", query.json, "as JSON");
        return made;
    };
    command("status", "What waits, how old the store's state is, its process, disk and work",
            analytics_status_command);
    CLI::App* ask = command("query", "A SELECT in the store's SQL, which can only read",
                            analytics_query_command);
    ask->add_option("statement", query.text, "over the tables of facts")->required();
    ask->add_option("--rows", query.rows_max, "that the result may have")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    ask->add_option("--seconds", query.timeout_s, "after which it is interrupted")
        ->check(CLI::Range(1, 3'600))
        ->capture_default_str();
    CLI::App* rebuild =
        command("rebuild", "Make tables of facts anew from what their modules' tables tell",
                analytics_rebuild_command);
    CLI::App* verify = command("verify",
                               "Compare the store with what its modules' tables tell, day by day; "
                               "status 1 if anything differs",
                               analytics_verify_command);
    for (CLI::App* each : {rebuild, verify})
        each->add_option("facts", query.facts, "their tables; all that can be told from tables");
    rebuild->add_flag("--no-wait", query.no_wait, "only ask the server for it");
}

}  // namespace loadstone::server::internal
