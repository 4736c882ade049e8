#include "campus/integrations/operator_commands.h"

#include <fmt/core.h>

#include <algorithm>

#include "campus/integrations/commands.h"
#include "campus/integrations/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/http.h"

namespace campus::integrations {

using namespace loadstone;

namespace {

constexpr std::size_t name_bytes_max = 50;

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= name_bytes_max && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

Task<std::string> list(Context& context) {
    const auto rows = co_await sql::rosters(context.reader());
    std::string out = fmt::format("{:<20}  {:<27} {:>8} {:>7} {:>8} {:>8}  {}\n", "NAME", "SYNCED",
                                  "PEOPLE", "NEW", "CHANGED", "SKIPPED", "URL");
    for (const sql::RosterRow& row : rows) {
        const std::string synced = row.synced_at ? to_rfc3339(*row.synced_at) : "never";
        out += fmt::format("{:<20}  {:<27} {:>8} {:>7} {:>8} {:>8}  {}\n", row.name, synced,
                           row.people, row.added, row.changed, row.skipped, row.url);
        if (row.failed_at)
            out += fmt::format("{:<22}{} {}\n", "", to_rfc3339(*row.failed_at), row.error);
    }
    if (rows.empty()) out = "there are no rosters: roster add NAME URL\n";
    co_return out;
}

Task<std::string> add(Context& context, std::string name, std::string url) {
    if (!is_name(name)) {
        throw Error(Errc::invalid_argument,
                    fmt::format("a roster's name is 1 to {} small letters, digits and hyphens",
                                name_bytes_max));
    }
    NewRoster roster;
    roster.host = outbound::authority_of_url(url);
    roster.name = name;
    roster.url = std::move(url);
    co_await context.write(add_roster, roster);
    co_return fmt::format("roster {} is read each hour, and now for the first time\n", name);
}

}  // namespace

Task<std::string> roster_command(Context& context, std::vector<std::string> arguments) {
    const std::string what = arguments.empty() ? "list" : arguments.front();
    const std::size_t count = arguments.size();
    if (what == "list" && count <= 1) co_return co_await list(context);
    if (what == "add" && count == 3) co_return co_await add(context, arguments[1], arguments[2]);
    if (what == "sync" && count == 2) {
        const std::int64_t job = co_await context.write(sync_now, arguments[1]);
        co_return fmt::format("job {} reads it now\n", job);
    }
    if (what == "remove" && count == 2) {
        co_await context.write(remove_roster, arguments[1]);
        co_return fmt::format("roster {} is removed with its invitations\n", arguments[1]);
    }
    throw Error(Errc::invalid_argument,
                "expected roster [list], add NAME URL, sync NAME or remove NAME");
}

}  // namespace campus::integrations
