#include "loadstone/store/module_shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "loadstone/base/error.h"

namespace loadstone::store {

namespace {

[[noreturn]] void refuse(std::string_view wanted, std::string_view text) {
    throw Error(Errc::invalid_argument, fmt::format("expected {}, got \"{}\"", wanted, text));
}

int percent(std::string_view text, std::string_view whole) {
    int parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size() || parsed < 1 || parsed > 100)
        refuse("two numbers from 1 to 100 as N/M", whole);
    return parsed;
}

}  // namespace

ConnectionShare connection_share(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) refuse("two numbers from 1 to 100 as N/M", text);
    return {percent(text.substr(0, slash), text), percent(text.substr(slash + 1), text)};
}

std::string text_of(const ConnectionShare& share) {
    return fmt::format("{}/{}", share.writes_percent, share.reads_percent);
}

std::vector<ModuleShare> module_shares(std::string_view text) {
    std::vector<ModuleShare> shares;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const std::string_view one = text.substr(0, comma);
        const auto equals = one.find('=');
        if (equals == std::string_view::npos || equals == 0) refuse("NAME=N/M", one);
        shares.push_back(
            {std::string(one.substr(0, equals)), connection_share(one.substr(equals + 1))});
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return shares;
}

std::string text_of(const std::vector<ModuleShare>& shares) {
    std::string text;
    for (const ModuleShare& each : shares)
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", each.module, text_of(each.share));
    return text;
}

}  // namespace loadstone::store
