#include "loadstone/base/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "loadstone/base/internal/line_writer.h"
#include "loadstone/base/internal/utf8.h"
#include "loadstone/base/json.h"

namespace loadstone::log {

namespace {

constexpr std::size_t value_bytes_max = 4096;
// Room asked for in a pipe, so that a burst outlasts a reader that is late: the kernel's limit for
// unprivileged processes.
constexpr int pipe_bytes = 1024 * 1024;

spdlog::level::level_enum to_spdlog(Level level) noexcept {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warning: return spdlog::level::warn;
        case Level::error: break;
        case Level::none: return spdlog::level::off;
    }
    return spdlog::level::err;
}

// What fmt makes of a char, of infinity and of "not a number" is no JSON.
bool is_json_number(std::string_view text) noexcept {
    if (text == "true" || text == "false") return true;
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// As text goes on a terminal: bare where it is one word, else as a JSON string, so that a value
// can neither end the line nor look like another field.
void append_word(std::string& out, std::string_view text) {
    const bool is_bare = !text.empty() && std::ranges::none_of(text, [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7F ||
               c == '"' || c == '=' || c == '\\';
    });
    if (is_bare) {
        out += text;
    } else {
        write_json_string(out, text);
    }
}

std::string_view cut(std::string_view text) noexcept {
    return internal::utf8_prefix(text, value_bytes_max);
}

std::string json_payload(std::string_view event, std::initializer_list<Field> fields) {
    std::string out = "\"event\":";
    write_json_string(out, cut(event));
    for (const Field& field : fields) {
        out += ',';
        write_json_string(out, cut(field.name));
        out += ':';
        if (field.is_number && is_json_number(field.value)) {
            out += field.value;
        } else {
            write_json_string(out, cut(field.value));
        }
    }
    return out;
}

std::string text_payload(std::string_view event, std::initializer_list<Field> fields) {
    std::string out(cut(event));
    std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    for (const Field& field : fields) {
        out += ' ';
        append_word(out, cut(field.name));
        out += '=';
        append_word(out, cut(field.value));
    }
    return out;
}

std::string payload(Format format, std::string_view event, std::initializer_list<Field> fields) {
    return format == Format::json ? json_payload(event, fields) : text_payload(event, fields);
}

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    void set_format(Format format) {
        constexpr std::string_view json = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";
        constexpr std::string_view text = "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
        set_formatter(std::make_unique<spdlog::pattern_formatter>(
            std::string(format == Format::json ? json : text), spdlog::pattern_time_type::utc));
        const std::lock_guard lock(mutex_);
        format_ = format;
        is_coloured_ = format == Format::text && ::isatty(STDERR_FILENO) == 1 &&
                       std::getenv("NO_COLOR") == nullptr;
    }

    Format format() const noexcept { return format_; }
    std::uint64_t dropped() const noexcept { return dropped_; }
    void count_dropped() noexcept { ++dropped_; }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const std::uint64_t dropped = dropped_;
        if (dropped != reported_ && write_dropped(dropped - reported_)) reported_ = dropped;
        if (!write(message)) ++dropped_;
    }
    void flush_() override {}

private:
    bool write_dropped(std::uint64_t lines) {
        const std::string text = payload(format_, "log lines dropped", {{"lines", lines}});
        return write(spdlog::details::log_msg("", spdlog::level::warn, text));
    }

    bool write(const spdlog::details::log_msg& message) {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!is_coloured_) return writer_.write({line.data(), line.size()});
        const std::string_view all(line.data(), line.size());
        const std::string_view colour = message.level == spdlog::level::err    ? "\x1b[31m"
                                        : message.level == spdlog::level::warn ? "\x1b[33m"
                                                                               : "\x1b[32m";
        std::string coloured(all.substr(0, message.color_range_start));
        coloured += colour;
        coloured += all.substr(message.color_range_start,
                               message.color_range_end - message.color_range_start);
        coloured += "\x1b[0m";
        coloured += all.substr(message.color_range_end);
        return writer_.write(coloured);
    }

    internal::LineWriter writer_{STDERR_FILENO};
    std::atomic<Format> format_{Format::text};
    std::atomic<std::uint64_t> dropped_{0};
    std::uint64_t reported_ = 0;
    bool is_coloured_ = false;
};

struct Log {
    Log() {
        sink->set_format(Format::text);
        logger.set_level(spdlog::level::info);
        // spdlog's own handler would print to stderr, where there may be no room.
        logger.set_error_handler([this](const std::string&) { sink->count_dropped(); });
    }

    std::shared_ptr<StderrSink> sink = std::make_shared<StderrSink>();
    spdlog::logger logger{"", sink};
};

// One for the process, as stderr is. Never destroyed: destructors of other statics may log.
Log& process_log() {
    static Log& log = *new Log;
    return log;
}

}  // namespace

void configure(Level threshold, Format format) {
    Log& log = process_log();
    ::fcntl(STDERR_FILENO, F_SETPIPE_SZ, pipe_bytes);  // fails where it is no pipe
    log.sink->set_format(format);
    log.logger.set_level(to_spdlog(threshold));
}

bool enabled(Level level) noexcept { return process_log().logger.should_log(to_spdlog(level)); }

std::uint64_t dropped_lines() noexcept { return process_log().sink->dropped(); }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) noexcept {
    if (!enabled(level)) return;
    Log& log = process_log();
    try {
        const std::string text = payload(log.sink->format(), event, fields);
        log.logger.log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
    } catch (...) {
        log.sink->count_dropped();
    }
}

}  // namespace loadstone::log
