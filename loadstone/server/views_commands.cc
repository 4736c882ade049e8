#include "loadstone/server/internal/views_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/cache/verify.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/progress_bar.h"
#include "loadstone/server/server.h"

namespace loadstone::server::internal {

namespace {

std::vector<const cache::Aggregate*> chosen_of(const std::vector<Module>& modules,
                                               const std::string& name) {
    auto all = views_of(modules).aggregates;
    if (name.empty()) return all;
    std::erase_if(all, [&](const cache::Aggregate* each) { return each->name != name; });
    if (all.empty())
        throw Error(Errc::not_found, fmt::format("no module declares an aggregate {}", name));
    return all;
}

// What was never built is left to build() to say that it is.
Task<std::vector<cache::Verified>> verify_in(CommandSession& session,
                                             std::vector<const cache::Aggregate*> aggregates,
                                             bool mends, ProgressBar& bar) {
    std::vector<cache::Verified> all;
    cache::VerifyOptions options;
    options.mends = mends;
    for (const cache::Aggregate* each : aggregates) {
        const auto show = [&](std::int64_t key, std::int64_t last) {
            bar.show(each->name, key, last);
        };
        all.push_back(co_await cache::verify(session.services(), *each, options, show));
    }
    co_return all;
}

std::string text_of(const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : "none";
}

std::string in_group(const std::optional<std::int64_t>& group) {
    return group ? fmt::format(" in group {}", *group) : "";
}

std::string text_of(const std::vector<cache::Verified>& all) {
    std::string text;
    for (const cache::Verified& each : all) {
        text += fmt::format("{}: {} keys, {} differ{}\n", each.aggregate, each.keys, each.different,
                            each.mended > 0 ? fmt::format(", {} mended", each.mended) : "");
        for (const cache::Difference& line : each.differences)
            text += fmt::format("  key {}: kept {}{}, true {}{}\n", line.key, text_of(line.kept),
                                in_group(line.kept_group), text_of(line.true_value),
                                in_group(line.true_group));
        const auto more = each.different - std::ssize(each.differences);
        if (more > 0) text += fmt::format("  and {} more\n", more);
    }
    return all.empty() ? "no module declares an aggregate\n" : text;
}

}  // namespace

void verify_views_command(const Config& config, const std::vector<Module>& modules,
                          const ViewsQuery& query) {
    auto aggregates = chosen_of(modules, query.name);
    std::vector<cache::Verified> all;
    {
        ProgressBar bar;  // ends its line before the answer
        CommandSession session(config, modules);
        all = run_blocking(session.loops(),
                           verify_in(session, std::move(aggregates), query.rebuild, bar));
    }
    print(query.json ? to_json(all) + "\n" : text_of(all));
    std::int64_t left = 0;
    for (const cache::Verified& each : all) left += each.different - each.mended;
    if (left > 0)
        throw Error(Errc::conflict,
                    fmt::format("{} keys differ from the rows that they are of; --rebuild mends "
                                "them",
                                left));
}

void add_views_commands(CLI::App& program, const AddCommand& add, const Config& config,
                        const std::vector<Module>& modules, ViewsQuery& query) {
    CLI::App* views = program.add_subcommand("views", "What aggregates keep");
    views->require_subcommand(1);
    CLI::App* verify =
        add(*views, "verify",
            "Compare what aggregates keep with the rows that it is of; writes may go on",
            [&config, &modules, &query] { verify_views_command(config, modules, query); });
    verify->add_option("name", query.name, "of one; default: all");
    verify->add_flag("--rebuild", query.rebuild, "mend what differs");
    verify->add_flag("--json", query.json, "as JSON");
}

}  // namespace loadstone::server::internal
