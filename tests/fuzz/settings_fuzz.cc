// Any bytes as a file of settings, and any lines as the environment: a configuration, or an error
// that says what is wrong. What a setting was given it gives back, in a form that it takes again.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/server/config.h"

namespace {

using loadstone::Errc;
using loadstone::Error;
using loadstone::server::Config;
using loadstone::server::Setting;

const std::string& file() {
    static const std::string path =
        std::filesystem::temp_directory_path() / ("settings_fuzz." + std::to_string(getpid()));
    return path;
}

void check_settings(const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) {
        const std::string value = setting.get();
        if (value.empty() || value.find("***") != std::string::npos) continue;
        setting.set(value);
        LOADSTONE_ASSERT(setting.get() == value, "a setting takes what it gives");
    }
}

template <class Read>
void check(std::string_view source, Read read) {
    Config config;
    const std::vector<Setting> settings = loadstone::server::settings_of(config);
    try {
        read(settings);
        check_settings(settings);
        loadstone::server::complete(config);
    } catch (const Error& error) {
        LOADSTONE_ASSERT(error.code() == Errc::invalid_argument, "what was given is at fault");
        LOADSTONE_ASSERT(error.message().starts_with(source) ||
                             error.message().find("given together") != std::string::npos ||
                             error.message().find("dead_after") != std::string::npos,
                         "the error names where");
    }
}

void read_as_file(std::string_view text) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << text;
    check(file(), [](const std::vector<Setting>& settings) {
        loadstone::server::read_config_file(file(), settings);
    });
    std::filesystem::remove(file());
}

void read_as_environment(std::string_view text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
        if (c == '\n') {
            lines.emplace_back();
        } else if (c != '\0') {
            lines.back() += c;
        }
    }
    std::vector<char*> variables;
    for (std::string& line : lines) variables.push_back(line.data());
    variables.push_back(nullptr);
    check("environment: ", [&](const std::vector<Setting>& settings) {
        loadstone::server::read_environment(settings, "campus", variables.data());
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read_as_file(text);
    read_as_environment(text);
    const std::string shown = loadstone::server::without_password(std::string(text));
    LOADSTONE_ASSERT(shown.size() <= text.size() + 3 * (size + 1), "a URL is shown once");
    return 0;
}
