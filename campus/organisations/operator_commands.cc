#include "campus/organisations/operator_commands.h"

#include <fmt/core.h>

#include <optional>

#include "campus/organisations/commands.h"
#include "campus/organisations/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/net/check.h"

namespace campus::organisations {

using namespace loadstone;

namespace {

constexpr int listed_at_once = 200;
constexpr std::size_t name_max = 200;

Task<accounts::UserId> account(Context& context, std::string address) {
    const auto user = co_await accounts::user_of_address(context.reader(), address);
    if (!user)
        throw Error(Errc::not_found,
                    fmt::format("nobody has registered as {}: an account comes first", address));
    co_return *user;
}

Task<std::string> list(Context& context) {
    std::string out = fmt::format("{:>8}  {:<27} {:>6}  {}\n", "ID", "CREATED", "ADMINS", "NAME");
    std::optional<sql::OrganisationsCursor> after;
    bool is_empty = true;
    do {
        const auto page = co_await sql::organisations(context.reader(), listed_at_once, after);
        for (const sql::OrganisationRow& row : page.rows) {
            out += fmt::format("{:>8}  {:<27} {:>6}  {}\n", row.id.value,
                               to_rfc3339(row.created_at), row.admin_count, row.name);
            is_empty = false;
        }
        after = page.next;
    } while (after);
    if (is_empty) out = "there are no organisations: organisations add NAME ADMIN\n";
    co_return out;
}

Task<std::string> add(Context& context, std::string name, std::string admin) {
    net::Check check;
    check.line("NAME", name, 1, name_max);
    if (!check.failures().empty()) throw check.failures().front();
    NewOrganisation in;
    in.name = name;
    in.admin = co_await account(context, admin);
    const OrganisationId id = co_await context.write(create_organisation, in);
    co_return fmt::format("organisation {}, {}; {} is its admin\n", id.value, name, admin);
}

Task<std::string> join(Context& context, std::string name, std::string address,
                       std::string role_name) {
    const auto role = role_of(role_name);
    if (!role)
        throw Error(Errc::invalid_argument,
                    fmt::format("a role is learner, instructor or admin, not \"{}\"", role_name));
    const auto organisation = co_await sql::organisation_by_name(context.reader(), name);
    if (!organisation)
        throw Error(Errc::not_found, fmt::format("there is no organisation \"{}\"", name));
    NewMember in;
    in.organisation = organisation->id;
    in.user = co_await account(context, address);
    in.role = *role;
    co_await context.write(add_member, in);
    co_return fmt::format("{} is {} of {}\n", address, role_name, name);
}

}  // namespace

Task<std::string> organisations_command(Context& context, std::vector<std::string> arguments) {
    const std::string what = arguments.empty() ? "list" : arguments.front();
    const std::size_t count = arguments.size();
    if (what == "list" && count <= 1) co_return co_await list(context);
    if (what == "add" && count == 3) co_return co_await add(context, arguments[1], arguments[2]);
    if (what == "join" && count == 4)
        co_return co_await join(context, arguments[1], arguments[2], arguments[3]);
    throw Error(Errc::invalid_argument,
                "expected organisations [list], add NAME ADMIN or join NAME ADDRESS ROLE");
}

}  // namespace campus::organisations
