// Settings as a file and the environment give them.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "loadstone/base/error.h"
#include "loadstone/server/config.h"

namespace loadstone::server {

namespace {

std::string replaced(std::string text, std::string_view from, char to) {
    for (char& c : text) {
        if (from.find(c) != std::string_view::npos) c = to;
    }
    return text;
}

// The TOML value as the text that Setting::set takes.
std::string text_of(const toml::node& node, bool is_list = false) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* whole = node.as_integer()) return fmt::format("{}", whole->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "on" : "off";
    if (const auto* list = is_list ? node.as_array() : nullptr) {
        std::string texts;
        for (const toml::node& each : *list) texts += (texts.empty() ? "" : " ") + text_of(each);
        return texts;
    }
    throw Error(Errc::invalid_argument, "expected a text in quotes, a whole number, true or false");
}

void apply_table(const toml::table& table, const std::string& prefix, const std::string& file,
                 const std::vector<Setting>& settings) {
    for (const auto& [name, node] : table) {
        const std::string key = prefix + std::string(name.str());
        const auto where = [&] {
            return fmt::format("{}:{}: {}", file, node.source().begin.line, key);
        };
        const auto found = std::find_if(settings.begin(), settings.end(),
                                        [&](const Setting& s) { return s.key == key; });
        if (found != settings.end()) {
            try {
                found->set(text_of(node, found->is_list));
            } catch (const Error& error) {
                throw Error(error.code(), fmt::format("{}: {}", where(), error.message()));
            }
        } else if (const auto* inner = node.as_table();
                   inner != nullptr &&
                   std::any_of(settings.begin(), settings.end(),
                               [&](const Setting& s) { return s.key.starts_with(key + "."); })) {
            apply_table(*inner, key + ".", file, settings);
        } else {
            throw Error(Errc::invalid_argument,
                        fmt::format("{}: there is no such setting", where()));
        }
    }
}

}  // namespace

std::string flag_name(const Setting& setting) { return "--" + replaced(setting.key, "._", '-'); }

std::string variable_name(const Setting& setting, std::string_view program) {
    std::string name = replaced(std::string(program) + "_" + setting.key, ".-", '_');
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return name;
}

void read_config_file(const std::string& file, const std::vector<Setting>& settings) {
    if (file.empty()) return;
    if (std::filesystem::is_directory(file))
        throw Error(Errc::invalid_argument,
                    fmt::format("{}: is a folder, not a file with settings", file));
    if (!std::ifstream(file))
        throw Error(Errc::not_found,
                    fmt::format("{}: cannot be read: {}", file, std::strerror(errno)));
    try {
        apply_table(toml::parse_file(file), "", file, settings);
    } catch (const toml::parse_error& error) {
        throw Error(Errc::invalid_argument,
                    fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
    }
}

void read_environment(const std::vector<Setting>& settings, std::string_view program,
                      char** environment) {
    std::string prefix = replaced(std::string(program) + "_", ".-", '_');
    std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    for (char** entry = environment; *entry != nullptr; ++entry) {
        const std::string_view variable(*entry);
        if (!variable.starts_with(prefix)) continue;
        const auto equals = variable.find('=');
        const std::string name(variable.substr(0, equals));
        const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& s) {
            return variable_name(s, program) == name;
        });
        if (found == settings.end()) {
            if (name == prefix + "CONFIG") continue;
            throw Error(Errc::invalid_argument,
                        fmt::format("environment: {}: there is no such setting", name));
        }
        try {
            found->set(variable.substr(equals + 1));
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("environment: {}: {}", name, error.message()));
        }
    }
}

}  // namespace loadstone::server
