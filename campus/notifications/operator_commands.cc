#include "campus/notifications/operator_commands.h"

#include <fmt/core.h>

#include "campus/notifications/sql.h"
#include "loadstone/base/error.h"

namespace campus::notifications {

using namespace loadstone;

Task<std::string> list_deliveries(Context& context, std::vector<std::string> arguments) {
    const std::string state = arguments.empty() ? "" : arguments.front();
    if (!state.empty() && state != "sent" && state != "bounced" && state != "unknown") {
        throw Error(Errc::invalid_argument,
                    fmt::format("a delivery is sent, bounced or unknown, not \"{}\"", state));
    }
    const auto rows = co_await sql::deliveries_in_state(context.reader(), state, 100);
    std::string out = fmt::format("{:<27}  {:<8} {:>4}  {:<40} {}\n", "RECORDED", "STATE", "CODE",
                                  "TO", "SUBJECT");
    for (const sql::DeliveryRow& row : rows) {
        out += fmt::format("{:<27}  {:<8} {:>4}  {:<40} {}\n", to_rfc3339(row.recorded_at),
                           row.state, row.code, row.recipient, row.subject);
        if (row.state != "sent") out += fmt::format("{:<29}{}\n", "", row.detail);
    }
    if (rows.empty())
        out = state.empty() ? "no mail has been sent yet\n" : fmt::format("no mail is {}\n", state);
    co_return out;
}

}  // namespace campus::notifications
