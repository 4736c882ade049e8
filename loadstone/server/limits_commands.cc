// campus jobs limit, limits, share, schedules: what bounds and starts jobs, and setting it.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/overview.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/jobs_commands.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

constexpr int keys_shown = 5;  // of each limit
constexpr std::string_view tenant_prefix = "tenant:";

Task<jobs::LimitsOverview> overview_in(Context& context) {
    co_return co_await jobs::limits_overview(context.reader(), keys_shown);
}

Task<std::vector<jobs::ScheduleOverview>> schedules_in(Context& context) {
    co_return co_await jobs::schedules_overview(context.reader());
}

Task<bool> change_in(Context& context, jobs::LimitChange change) {
    co_await context.write(jobs::change_limit, change);
    co_return true;
}

Task<bool> unset_in(Context& context, std::string name) {
    co_return co_await context.write(jobs::unset_limit, name);
}

std::string text_of(const jobs::LimitSet& set, bool is_in_order) {
    std::vector<std::string> parts;
    if (is_in_order) parts.push_back("one at a time, in order");
    if (set.running_max && !is_in_order)
        parts.push_back(*set.running_max == 0 ? "any number at once"
                                              : fmt::format("{} at once", *set.running_max));
    if (set.per_second)
        parts.push_back(*set.per_second == 0 ? "any number a second"
                                             : fmt::format("{:g} a second", *set.per_second));
    if (set.burst) parts.push_back(fmt::format("bursts of {}", *set.burst));
    return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, ", "));
}

// What is not bounded is not told.
std::string text_of(const jobs::LimitNumbers& numbers, bool is_in_order) {
    jobs::LimitSet told;
    if (numbers.running_max > 0) told.running_max = numbers.running_max;
    if (numbers.per_second > 0) {
        told.per_second = numbers.per_second;
        told.burst = numbers.burst;
    }
    const std::string text = text_of(told, is_in_order);
    return text == "-" ? "no limit" : text;
}

void print_limit(const jobs::LimitOverview& limit) {
    print(fmt::format("{:<28} {:<38} {}\n", limit.name,
                      limit.is_declared ? text_of(limit.declared, limit.is_in_order)
                                        : "not known to this program",
                      limit.set ? text_of(*limit.set, false) : "-"));
    for (const jobs::BusyKey& key : limit.busiest) {
        std::string state;
        if (key.running > 0) state = fmt::format("{} running", key.running);
        if (key.lent > 0)
            state = fmt::format("{} running or free in a process that was lent {}", key.running,
                                key.lent);
        if (key.next_in_us > 0)
            state += fmt::format("{}throttled, the next in {:.1f}s", state.empty() ? "" : ", ",
                                 static_cast<double>(key.next_in_us) / 1e6);
        print(fmt::format("    {:<24} {}\n", key.key.empty() ? "\"\"" : key.key, state));
    }
}

void print_limits(const jobs::LimitsOverview& overview) {
    if (overview.limits.empty()) {
        print("no job kind of this program declares a limit\n");
    } else {
        print(fmt::format("{:<28} {:<38} {}\n", "LIMIT", "DECLARED", "SET"));
        for (const jobs::LimitOverview& limit : overview.limits) print_limit(limit);
    }
    if (overview.shares.empty()) return;
    print(fmt::format("\n{:<28} {}\n", "TENANT", "WEIGHT"));
    for (const jobs::TenantShare& share : overview.shares)
        print(fmt::format("{:<28} {:g}\n", share.tenant, share.weight));
}

[[noreturn]] void throw_unknown_limit(const std::string& name,
                                      const jobs::LimitsOverview& overview) {
    std::vector<std::string> known;
    for (const jobs::LimitOverview& limit : overview.limits) known.push_back(limit.name);
    throw Error(
        Errc::not_found,
        known.empty()
            ? fmt::format("there is no limit \"{}\": no job kind of this program declares "
                          "one",
                          name)
            : fmt::format("there is no limit \"{}\": there are {}", name, fmt::join(known, ", ")));
}

const jobs::LimitOverview& limit_of(const std::string& name, const jobs::LimitsOverview& overview) {
    const auto found = std::ranges::find(overview.limits, name, &jobs::LimitOverview::name);
    if (found == overview.limits.end()) throw_unknown_limit(name, overview);
    return *found;
}

jobs::LimitChange change_of(const LimitQuery& query) {
    jobs::LimitChange change;
    change.name = query.name;
    change.running_max = query.running.value_or(-1);
    change.per_second = query.per_second.value_or(-1);
    change.burst = query.burst.value_or(-1);
    return change;
}

void require_changeable(const jobs::LimitOverview& limit, const LimitQuery& query) {
    if (!limit.is_declared)
        throw Error(Errc::not_found,
                    fmt::format("the limit \"{}\" is set, and not known to this program: it can "
                                "only be reset",
                                limit.name));
    if (limit.is_in_order && query.running)
        throw Error(
            Errc::invalid_argument,
            fmt::format("the jobs of \"{}\" run in order: of one key, one at a time", limit.name));
}

void require_tenants(const jobs::Queue& queue) {
    const auto has_tenant = [](const auto& kind) { return !kind->tenant.name.empty(); };
    if (std::ranges::any_of(queue.kinds(), has_tenant)) return;
    throw Error(Errc::invalid_argument,
                "there is nothing to share: no job kind of this program has tenants");
}

std::optional<jobs::TenantShare> share_of(const std::string& tenant,
                                          const jobs::LimitsOverview& overview) {
    const auto found = std::ranges::find(overview.shares, tenant, &jobs::TenantShare::tenant);
    if (found == overview.shares.end()) return std::nullopt;
    return *found;
}

}  // namespace

void limits_command(const Config& config, const std::vector<Module>& modules, bool json) {
    CommandSession session(config, modules);
    const auto overview = run_blocking(session.loops(), overview_in(session.context()));
    if (json) {
        print(to_json(overview) + "\n");
    } else {
        print_limits(overview);
    }
}

void limit_command(const Config& config, const std::vector<Module>& modules,
                   const LimitQuery& query) {
    CommandSession session(config, modules);
    auto overview = run_blocking(session.loops(), overview_in(session.context()));
    const jobs::LimitOverview& before = limit_of(query.name, overview);
    const bool sets = query.running || query.per_second || query.burst;
    if (sets) {
        require_changeable(before, query);
        run_blocking(session.loops(), change_in(session.context(), change_of(query)));
    }
    if (query.is_reset) {
        run_blocking(session.loops(), unset_in(session.context(), query.name));
        if (!before.is_declared) {
            print(fmt::format("limit {} is no longer set\n", query.name));
            return;
        }
    }
    if (sets || query.is_reset)
        overview = run_blocking(session.loops(), overview_in(session.context()));
    const jobs::LimitOverview& limit = limit_of(query.name, overview);
    if (query.json) {
        print(to_json(limit) + "\n");
        return;
    }
    if (!sets && !query.is_reset) {
        jobs::LimitsOverview one;
        one.limits.push_back(limit);
        print_limits(one);
        return;
    }
    print(fmt::format("limit {}: {}{}; all processes know it within a second\n", limit.name,
                      text_of(limit.now, limit.is_in_order),
                      query.is_reset ? ", as declared"
                                     : fmt::format(" (declared: {})",
                                                   text_of(limit.declared, limit.is_in_order))));
}

void share_command(const Config& config, const std::vector<Module>& modules,
                   const ShareQuery& query) {
    if (query.tenant.empty())
        throw Error(Errc::invalid_argument, "a tenant is to be named: \"\" is none");
    CommandSession session(config, modules);
    require_tenants(session.queue());
    jobs::LimitChange change;
    change.name = fmt::format("{}{}", tenant_prefix, query.tenant);
    if (query.weight) {
        change.weight = *query.weight;
        run_blocking(session.loops(), change_in(session.context(), change));
    }
    if (query.is_reset) run_blocking(session.loops(), unset_in(session.context(), change.name));
    const auto overview = run_blocking(session.loops(), overview_in(session.context()));
    const jobs::TenantShare share =
        share_of(query.tenant, overview).value_or(jobs::TenantShare{query.tenant, 1});
    if (query.json) {
        print(to_json(share) + "\n");
        return;
    }
    const bool is_changed = query.weight || query.is_reset;
    print(fmt::format("tenant {}: weight {:g}{}\n", share.tenant, share.weight,
                      is_changed ? "; all processes know it within a second" : ""));
}

void schedules_command(const Config& config, const std::vector<Module>& modules, bool json) {
    CommandSession session(config, modules);
    const auto all = run_blocking(session.loops(), schedules_in(session.context()));
    if (json) {
        print(to_json(all) + "\n");
        return;
    }
    if (all.empty()) {
        print("no job of this program recurs\n");
        return;
    }
    print(fmt::format("{:<28} {:<30} {:<20} {:<20} {:<6}  {:<20}  {}\n", "NAME", "KIND",
                      "EXPRESSION", "ZONE", "MISSED", "LAST FIRED", "NEXT"));
    const auto text = [](const std::optional<Timestamp>& time) {
        return time ? to_rfc3339(*time).substr(0, 19) + "Z" : std::string("-");
    };
    for (const jobs::ScheduleOverview& one : all) {
        print(fmt::format("{:<28} {:<30} {:<20} {:<20} {:<6}  {:<20}  {}{}\n", one.name, one.kind,
                          one.expression, one.zone, one.missed, text(one.fired_at),
                          text(one.next_at),
                          one.next_at ? fmt::format("  {}", age_text(*one.next_at)) : ""));
    }
}

}  // namespace loadstone::server::internal
