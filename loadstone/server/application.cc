#include "loadstone/server/application.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/server/config.h"
#include "loadstone/server/internal/analytics_commands.h"
#include "loadstone/server/internal/commands.h"
#include "loadstone/server/internal/db_commands.h"
#include "loadstone/server/internal/jobs_command_line.h"
#include "loadstone/server/internal/sandbox.h"
#include "loadstone/server/internal/views_commands.h"
#include "loadstone/server/server.h"

namespace loadstone::server {

namespace {

constexpr const char* sandbox_flag = "--sandbox";

// What the command line said of settings, applied after the file and the environment.
using Given = std::vector<std::pair<const Setting*, std::string>>;

void add_settings(CLI::App& command, const std::vector<Setting>& settings, Given& given,
                  std::string& file, const std::string& program) {
    command
        .add_option("--config", file,
                    fmt::format("a TOML file with settings; default: {}.toml here, if there is one",
                                program))
        ->type_name("FILE");
    command.footer(
        fmt::format("\nAll settings, also those of files and variables: {} settings", program));
    for (const Setting& setting : settings) {
        auto* option = command.add_option_function<std::string>(
            flag_name(setting),
            [&given, &setting](const std::string& value) { given.emplace_back(&setting, value); },
            setting.help);
        option->type_name(setting.hint);
        if (setting.is_list) option->join(' ');
        const std::string now = setting.get();
        if (!now.empty()) option->default_str(now);
        if (!setting.everyday) option->group("");  // hidden: the `settings` command shows them all
    }
}

// What is given stands in `given` as the command takes it.
void add_options(CLI::App& command, const module::OperatorCommand& own,
                 std::vector<std::string>& given) {
    for (const module::OperatorOption& option : own.options) {
        const std::string flag = "--" + option.name;
        if (option.is_switch) {
            command.add_flag_callback(flag, [&given, flag] { given.push_back(flag); }, option.help);
            continue;
        }
        const auto take = [&given, flag](const std::string& value) {
            given.push_back(fmt::format("{}={}", flag, value));
        };
        command.add_option_function<std::string>(flag, take, option.help)->type_name(option.hint);
    }
}

void load(Config& config, const std::vector<Setting>& settings, const Given& given,
          std::string file, const std::string& program) {
    if (file.empty()) {
        std::string variable = program + "_CONFIG";
        for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        if (const char* named = std::getenv(variable.c_str())) file = named;
    }
    if (file.empty() && std::filesystem::exists(program + ".toml")) file = program + ".toml";
    read_config_file(file, settings);
    read_environment(settings, program, environ);
    for (const auto& [setting, value] : given) {
        try {
            setting->set(value);
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", flag_name(*setting), error.message()));
        }
    }
    complete(config);
    const bool json =
        config.log_format == "json" || (config.log_format == "auto" && isatty(STDERR_FILENO) == 0);
    log::configure(config.log_level, json ? log::Format::json : log::Format::text);
}

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
    for (auto at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
    return text;
}

// For a shell.
std::string quoted(const std::string& word) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    return "'" + replace_all(word, "'", "'\\''") + "'";
}

// Blocks the signals that serve() waits for, before any thread is made.
sigset_t block_stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    // A terminal that is closed; under nohup it is ignored, and goes on being so.
    struct sigaction hangup{};
    sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);  // or the ends of children are not to be had
    return signals;
}

// One for each time that a setting is given.
std::vector<std::string> values_of(const Setting& setting, const std::string& given) {
    if (!setting.is_list) return {given};
    std::istringstream words(given);
    return {std::istream_iterator<std::string>(words), {}};
}

// What the commands of the greeting need so that they speak of this server: where its data is, as
// it was given to `serve`.
std::string options_for_commands(const Given& given, const std::string& file) {
    std::string options = file.empty() ? "" : fmt::format(" --config {}", quoted(file));
    for (const auto& [setting, value] : given) {
        if (setting->key != "data" && setting->key != "database" && setting->key != "replica" &&
            setting->key != "smtp")
            continue;
        for (const std::string& each : values_of(*setting, value))
            options += fmt::format(" {} {}", flag_name(*setting), quoted(without_password(each)));
    }
    return options;
}

// Gives the exit status.
int serve(const Config& config, const std::vector<Module>& modules, const std::string& title,
          const std::string& version, const std::string& greeting, const std::string& called_as,
          const std::string& options) {
    const sigset_t signals = block_stop_signals();
    const bool is_sandbox = config.role == Role::sandbox;
    if (is_sandbox) internal::be_the_first_to_go();
    Server server(config, modules, title, version);
    server.start();
    if (server.port() != 0) {
        const bool any = config.http.address == "0.0.0.0" || config.http.address == "::";
        const std::string url =
            fmt::format("{}://{}", config.http.tls_certificate.empty() ? "http" : "https",
                        authority_of(any ? "127.0.0.1" : config.http.address, server.port()));
        std::string text = replace_all(greeting, "{url}", url);
        text = replace_all(std::move(text), "{program}", called_as);
        text = replace_all(std::move(text), "{options}", options);
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }
    int received = 0;
    std::chrono::milliseconds drain = config.drain;
    if (is_sandbox) {
        received = internal::wait_in_sandbox(signals, [&] { return server.sandbox_state(); });
        if (server.sandbox_state().is_stuck) drain = std::chrono::milliseconds(0);
    } else {
        sigwait(&signals, &received);
    }
    log::info("stopping", {{"signal", received}, {"drain_ms", drain.count()}});
    // A second one ends the process at once. A sandbox has its server's patience.
    if (!is_sandbox) pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    if (!server.stop(drain)) {
        log::error("not everything ended in time; what was unfinished has been handed back");
        std::fflush(nullptr);
        std::_Exit(1);
    }
    log::info("stopped");
    return is_sandbox && !server.sandbox_state().has_run_any ? internal::ran_nothing : 0;
}

}  // namespace

Application::Application(std::string program, std::string title, std::string version)
    : program_(std::move(program)), title_(std::move(title)), version_(std::move(version)) {}

Application& Application::add(Module module) {
    modules_.push_back(std::move(module));
    return *this;
}

Application& Application::greet_with(std::string text) {
    greeting_ = std::move(text);
    return *this;
}

int Application::run(int argc, char** argv) {
    // What it writes is of its user alone: password hashes, sessions, everybody's mail.
    umask(S_IRWXG | S_IRWXO);
    Config config;
    const std::vector<Setting> settings = settings_of(config);
    Given given;
    std::string file;
    std::vector<Module> modules;
    std::function<void()> chosen;

    CLI::App app(title_, program_);
    app.set_version_flag("--version", version_);
    app.require_subcommand(1);
    const auto command = [&](CLI::App& parent, const std::string& name, const std::string& help,
                             std::function<void()> run) {
        CLI::App* sub = parent.add_subcommand(name, help);
        add_settings(*sub, settings, given, file, program_);
        sub->callback([&chosen, run = std::move(run)] { chosen = run; });
        return sub;
    };

    int status = 0;
    std::string sandbox_of;
    CLI::App* const serving =
        command(app, "serve", "Serve requests and run jobs until SIGTERM, SIGINT or SIGHUP", [&] {
            if (!sandbox_of.empty()) {
                config = internal::as_sandbox(std::move(config), sandbox_of);
            } else {
                config.sandbox_arguments.assign(argv, argv + argc);
                config.sandbox_arguments.push_back(sandbox_flag);
            }
            status = serve(config, modules, title_, version_, greeting_, quoted(argv[0]),
                           options_for_commands(given, file));
        });
    serving->add_option(sandbox_flag, sandbox_of, "of the server with this URL, which starts it")
        ->group("");
    bool plan = false;
    command(app, "migrate", "Bring the schema up to date", [&] {
        internal::migrate_command(config, modules, plan);
    })->add_flag("--plan", plan, "show what would be done, and do nothing");

    internal::JobsArguments jobs;
    internal::add_jobs_commands(app, command, config, modules, jobs);

    internal::DbQuery db;
    internal::add_db_commands(app, command, config, db);

    internal::ViewsQuery views;
    internal::add_views_commands(app, command, config, modules, views);
    internal::AnalyticsQuery analytics;
    internal::add_analytics_commands(app, command, config, modules, analytics);

    int mails = 20;
    command(app, "mail", "Mail in the Maildir, newest last",
            [&] { internal::mail_command(config, mails); })
        ->add_option("--limit", mails, "how many")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    bool since_start = false;
    command(app, "why",
            "What takes the time: each route and job of the running server, heaviest first",
            [&] { internal::why_command(config, since_start); })
        ->add_flag("--since-start", since_start, "not just the last minute");
    command(app, "settings", "Every setting, its value and what it means",
            [&] { internal::settings_command(settings, program_); });
    command(app, "openapi", "The API as OpenAPI 3.1", [&] {
        const std::string text = net::HttpServer::openapi(routes_of(modules), title_, version_,
                                                          !config.http.tls_certificate.empty()) +
                                 "\n";
        std::fwrite(text.data(), 1, text.size(), stdout);
    });
    std::vector<std::string> arguments, options;
    for (const Module& module : modules_) {
        for (const module::OperatorCommand& own : module.commands) {
            CLI::App* sub = command(app, own.name, own.help, [&] {
                arguments.insert(arguments.end(), options.begin(), options.end());
                internal::operator_command(config, modules, own, module.name, arguments);
            });
            sub->add_option("arguments", arguments, "of the command");
            add_options(*sub, own, options);
        }
    }

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const auto unknown = app.remaining(true);
        if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !unknown.empty()) {
            fmt::print(stderr,
                       "{}: there is no command \"{}\"\nRun with --help for more information.\n",
                       program_, unknown.front());
            return 2;
        }
        if (std::string_view(error.what()).find("subcommand") != std::string_view::npos) {
            fmt::print(stderr, "{}", app.help());
            return 2;
        }
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        load(config, settings, given, file, program_);
        modules = module::in_dependency_order(modules_);
        chosen();
        return status;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", program_, error.what());
        return 1;
    }
}

}  // namespace loadstone::server
