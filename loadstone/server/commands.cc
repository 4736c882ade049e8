#include "loadstone/server/internal/commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "loadstone/base/error.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/progress_bar.h"
#include "loadstone/server/server.h"
#include "loadstone/store/migrations.h"

namespace loadstone::server::internal {

void migrate_command(const Config& config, const std::vector<Module>& modules, bool plan_only) {
    const auto all = migrations_of(modules);
    const auto steps = plan_only ? store::plan_migrations(config.database, all)
                                 : store::migrate(config.database, all);
    for (const auto& step : steps) {
        print(fmt::format("{} {} {:04} {}\n", plan_only ? "would apply" : "applied", step.module,
                          step.number, step.title));
        if (plan_only) print(step.sql + "\n");
    }
    if (steps.empty()) print("the schema is up to date\n");
}

void mail_command(const Config& config, int limit) {
    require_access(config);
    constexpr std::string_view scheme = "maildir:";
    if (!config.mail.url.starts_with(scheme)) {
        throw Error(Errc::invalid_argument,
                    "mail goes to an SMTP server, not to a Maildir; see the deliveries command");
    }
    const std::filesystem::path folder =
        std::filesystem::path(config.mail.url.substr(scheme.size())) / "new";
    std::vector<std::filesystem::directory_entry> mails;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none))
        mails.push_back(entry);
    std::sort(mails.begin(), mails.end(), [](const auto& a, const auto& b) {
        return a.last_write_time() < b.last_write_time();
    });
    if (mails.empty()) print(fmt::format("no mail in {}\n", folder.string()));
    const std::size_t skip = mails.size() > static_cast<std::size_t>(limit)
                                 ? mails.size() - static_cast<std::size_t>(limit)
                                 : 0;
    for (std::size_t i = skip; i < mails.size(); ++i) {
        std::ifstream file(mails[i].path(), std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        print(fmt::format("--- {}\n{}\n", mails[i].path().string(), text.str()));
    }
    if (!mails.empty())
        print(fmt::format("{} of {} mails in {}\n", mails.size() - skip, mails.size(),
                          folder.string()));
}

void why_command(const Config& config, bool since_start) {
    require_access(config);
    const std::string folder = (std::filesystem::path(config.data) / "run").string();
    const auto answers = ask_servers(folder, since_start ? "why since-start" : "why");
    if (answers.empty())
        throw Error(Errc::unavailable,
                    fmt::format("no server runs on the data folder {}", config.data));
    for (const auto& answer : answers) {
        if (answers.size() > 1) print(fmt::format("process {}\n", answer.process));
        print(answer.text);
    }
}

void settings_command(const std::vector<Setting>& settings, const std::string& program) {
    for (const Setting& setting : settings) {
        print(fmt::format("{} = {}\n    {}\n    {} {}   {}\n", setting.key, setting.get(),
                          setting.help, flag_name(setting), setting.hint,
                          variable_name(setting, program)));
    }
}

void operator_command(const Config& config, const std::vector<Module>& modules,
                      const module::OperatorCommand& command, std::string_view owner,
                      std::vector<std::string> arguments) {
    std::string answer;
    {
        ProgressBar progress;  // ends its line before the answer
        CommandSession session(config, modules, command.deadline);
        session.show_on(progress);
        session.context().set_module(owner);
        answer =
            run_blocking(session.loops(), command.run(session.context(), std::move(arguments)));
    }
    print(answer);
}

}  // namespace loadstone::server::internal
