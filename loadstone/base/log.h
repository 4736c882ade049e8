#pragma once
// Structured log lines on stderr: text on a terminal, one JSON object a line otherwise. Values of
// fields are data; secrets (passwords, tokens, cookies, connection strings with passwords) are
// never passed to it. Logging never blocks on a reader: what the sink cannot take is dropped and
// counted.

#include <fmt/core.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace loadstone::log {

enum class Level : std::uint8_t { debug, info, warning, error, none };

struct Field {
    std::string_view name;
    std::string value;
    bool is_number = false;

    Field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
    Field(std::string_view field, std::string_view text) : name(field), value(text) {}
    Field(std::string_view field, const char* text) : name(field), value(text) {}
    template <class Number>
        requires std::is_arithmetic_v<Number>
    Field(std::string_view field, Number number)
        : name(field), value(fmt::format("{}", number)), is_number(true) {}
};

enum class Format : std::uint8_t { text, json };

// Called once by the program before threads start. The default is text, info.
void configure(Level threshold, Format format);
bool enabled(Level level) noexcept;

// `event` is a fixed sentence ("replica lost"); what varies goes into fields. A value is cut at
// 4 KiB. Any thread.
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {}) noexcept;
// Lines that the sink could not take, since the start. The next line that it takes is preceded by
// one that says how many were lost.
std::uint64_t dropped_lines() noexcept;

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::info, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::warning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::error, event, fields);
}

}  // namespace loadstone::log
