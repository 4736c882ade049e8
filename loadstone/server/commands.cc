#include "loadstone/server/internal/commands.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/server.h"
#include "loadstone/store/migrations.h"

namespace loadstone::server::internal {

namespace {

// What others wrote (names, addresses, a mail server's replies) must not act on the terminal.
void print(std::string_view text) {
    const std::string safe = printable(text);
    std::fwrite(safe.data(), 1, safe.size(), stdout);
}

// A folder of another user's server looks empty otherwise.
void require_access(const Config& config) {
    if (::access(config.data.c_str(), F_OK) == 0 &&
        ::access(config.data.c_str(), R_OK | X_OK) != 0) {
        throw Error(Errc::permission_denied,
                    fmt::format("the data folder {} may not be read by this user: run this as the "
                                "server's user",
                                config.data));
    }
}

const Config& with_schema(const Config& config, const std::vector<Module>& modules) {
    require_access(config);
    const auto all = migrations_of(modules);
    const auto missing = store::plan_migrations(config.database, all);
    if (missing.empty()) return config;
    std::size_t steps = 0;
    for (const auto& module : all) steps += module.steps.size();
    const std::string url = without_password(config.database.url);
    if (missing.size() == steps) {
        throw Error(
            Errc::unavailable,
            fmt::format(
                "the database {} has not been set up: no server has run on it, or --data or "
                "--database names another one",
                url));
    }
    throw Error(
        Errc::unavailable,
        fmt::format(
            "the schema of {} lacks {} of this program's {} steps: run the migrate command, or "
            "start a server on it",
            url, missing.size(), steps));
}

// A database with one loop, as long as a command runs. It does not migrate: a command must not
// change a schema behind a running server's back.
class Session {
public:
    explicit Session(const Config& config)
        : loops_({.threads = 1, .blocked_after = std::chrono::milliseconds(60'000)}, registry_),
          database_(store::open_database(config.database, registry_)),
          queue_({}, *database_, registry_) {
        services_.add<telemetry::Registry>(registry_);
        services_.add<store::Database>(*database_);
        services_.add<jobs::Queue>(queue_);
        loops_.start();
        database_->start(loops_);
    }
    ~Session() {
        database_->stop();
        loops_.stop();
    }

    Context& context() { return context_; }
    runtime::Loops& loops() { return loops_; }

private:
    telemetry::Registry registry_;
    runtime::Loops loops_;
    std::unique_ptr<store::Database> database_;
    jobs::Queue queue_;
    runtime::Services services_;
    Context context_{services_, Deadline::in(std::chrono::seconds(30))};
};

std::string age_text(Timestamp since) {
    const auto age = Timestamp::now() - since;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
    if (seconds < 0) return fmt::format("in {}s", -seconds);
    if (seconds < 120) return fmt::format("{}s ago", seconds);
    if (seconds < 7'200) return fmt::format("{}m ago", seconds / 60);
    return fmt::format("{}h ago", seconds / 3'600);
}

Task<std::vector<jobs::JobRow>> list_in(Context& context, JobsQuery query) {
    co_return co_await jobs::list_jobs(context.reader(), query.state, query.kind, query.before,
                                       query.limit);
}

Task<std::optional<jobs::JobRow>> show_in(Context& context, std::int64_t id) {
    co_return co_await jobs::job_by_id(context.reader(), id);
}

Task<bool> retry_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::retry_job, id);
}

}  // namespace

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

void list_jobs_command(const Config& config, const std::vector<Module>& modules,
                       const JobsQuery& query) {
    Session session(with_schema(config, modules));
    const auto rows = run_blocking(session.loops(), list_in(session.context(), query));
    if (query.json) {
        print(to_json(rows) + "\n");
        return;
    }
    if (rows.empty()) {
        print("no jobs\n");
        return;
    }
    print(fmt::format("{:>10}  {:<36} {:<8} {:>7} {:>7}  {:<10} {:<10} {}\n", "ID", "KIND", "STATE",
                      "ATTEMPT", "CRASHES", "ENQUEUED", "RUN AT", "LAST ERROR"));
    for (const auto& row : rows) {
        print(fmt::format("{:>10}  {:<36} {:<8} {:>7} {:>7}  {:<10} {:<10} {}\n", row.id, row.kind,
                          row.state, row.attempt, row.crashes, age_text(row.enqueued_at),
                          age_text(row.run_at), row.last_error.substr(0, 80)));
    }
}

void show_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                      bool json) {
    Session session(with_schema(config, modules));
    const auto row = run_blocking(session.loops(), show_in(session.context(), id));
    if (!row)
        throw Error(Errc::not_found,
                    fmt::format("there is no job {}: it was never enqueued, or it is done", id));
    if (json) {
        print(to_json(*row) + "\n");
        return;
    }
    print(fmt::format(
        "id               {}\nkind             {}\nstate            {}\nattempt          "
        "{}\ncrashes          {}\n"
        "enqueued at      {}\n{} {}\nidempotency key  {}\ncause            {}\narguments        "
        "{}\nlast error       {}\n",
        row->id, row->kind, row->state, row->attempt, row->crashes, to_rfc3339(row->enqueued_at),
        row->state == "dead" ? "buried at       " : "run at          ", to_rfc3339(row->run_at),
        row->idempotency_key, row->cause, row->arguments,
        row->last_error.empty() ? "-" : row->last_error));
}

void retry_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id) {
    Session session(with_schema(config, modules));
    if (!run_blocking(session.loops(), retry_in(session.context(), id))) {
        if (run_blocking(session.loops(), show_in(session.context(), id)))
            throw Error(Errc::conflict, fmt::format("job {} runs now", id));
        throw Error(Errc::not_found,
                    fmt::format("there is no job {}: it was never enqueued, or it is done", id));
    }
    print(fmt::format("job {} is due now\n", id));
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
                      const module::OperatorCommand& command, std::vector<std::string> arguments) {
    Session session(with_schema(config, modules));
    print(run_blocking(session.loops(), command.run(session.context(), std::move(arguments))));
}

}  // namespace loadstone::server::internal
