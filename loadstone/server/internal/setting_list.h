#pragma once
// SettingList: builds the settings of a Config, a line each. What a value may be is checked as it
// is set; what is wrong is Error invalid_argument that says what is expected.

#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/server/config.h"

namespace loadstone::server::internal {

[[noreturn]] void refuse(std::string_view wanted, std::string_view value);

template <class T>
T number(std::string_view value, T min, T max) {
    T parsed{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size() || parsed < min ||
        parsed > max) {
        refuse(fmt::format("a number from {} to {}", min, max), value);
    }
    return parsed;
}

// Values by their names; they last for the program.
template <class T>
using Choices = std::initializer_list<std::pair<std::string_view, T>>;

template <class T>
T choice(std::string_view value, Choices<T> choices) {
    std::string names;
    for (const auto& [name, meaning] : choices) {
        if (name == value) return meaning;
        names += names.empty() ? "" : " or ";
        names += name;
    }
    refuse(names, value);
}

template <class T>
std::string chosen(T value, Choices<T> choices) {
    for (const auto& [name, meaning] : choices) {
        if (meaning == value) return std::string(name);
    }
    return {};
}

// Settings keep a reference to `at`.
class SettingList {
public:
    using Check = void (*)(const std::string&);  // throws if it is none

    std::vector<Setting> list;

    Setting& text(std::string key, std::string hint, std::string help, std::string& at);
    template <class T>
    Setting& count(std::string key, std::string help, T& at, T min, T max) {
        return add(
            std::move(key), "N", std::move(help),
            [&at, min, max](std::string_view v) { at = number<T>(v, min, max); },
            [&at] { return fmt::format("{}", at); });
    }
    // Up to a day.
    Setting& millis(std::string key, std::string help, std::chrono::milliseconds& at,
                    std::int64_t min = 1);
    Setting& flag(std::string key, std::string help, bool& at);
    template <class T>
    Setting& one_of(std::string key, std::string hint, std::string help, T& at,
                    Choices<T> choices) {
        return add(
            std::move(key), std::move(hint), std::move(help),
            [&at, choices](std::string_view v) { at = choice<T>(v, choices); },
            [&at, choices] { return chosen<T>(at, choices); });
    }
    // Empty: the default. Shown without its password.
    Setting& url(std::string key, std::string hint, std::string help, std::string& at, Check check);
    // Between spaces; each new value is the whole list.
    Setting& urls(std::string key, std::string hint, std::string help, std::vector<std::string>& at,
                  Check check);
    Setting& add(std::string key, std::string hint, std::string help,
                 std::function<void(std::string_view)> set, std::function<std::string()> get);
};

}  // namespace loadstone::server::internal
