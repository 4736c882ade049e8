#include "loadstone/server/internal/setting_list.h"

#include <sstream>

#include "loadstone/base/error.h"

namespace loadstone::server::internal {

namespace {

using std::chrono::milliseconds;

bool on_or_off(std::string_view value) {
    if (value == "on" || value == "true") return true;
    if (value == "off" || value == "false") return false;
    refuse("on or off", value);
}

}  // namespace

void refuse(std::string_view wanted, std::string_view value) {
    throw Error(Errc::invalid_argument, fmt::format("expected {}, got \"{}\"", wanted, value));
}

Setting& SettingList::text(std::string key, std::string hint, std::string help, std::string& at) {
    return add(
        std::move(key), std::move(hint), std::move(help), [&at](std::string_view v) { at = v; },
        [&at] { return at; });
}

Setting& SettingList::millis(std::string key, std::string help, milliseconds& at,
                             std::int64_t min) {
    return add(
        std::move(key), "MS", std::move(help),
        [&at, min](std::string_view v) {
            at = milliseconds(number<std::int64_t>(v, min, 86'400'000));
        },
        [&at] { return fmt::format("{}", at.count()); });
}

Setting& SettingList::flag(std::string key, std::string help, bool& at) {
    return add(
        std::move(key), "on|off", std::move(help), [&at](std::string_view v) { at = on_or_off(v); },
        [&at] { return std::string(at ? "on" : "off"); });
}

Setting& SettingList::url(std::string key, std::string hint, std::string help, std::string& at,
                          Check check) {
    return add(
        std::move(key), std::move(hint), std::move(help),
        [&at, check](std::string_view v) {
            const std::string url(v);
            if (!url.empty()) check(url);
            at = url;
        },
        [&at] { return without_password(at); });
}

Setting& SettingList::urls(std::string key, std::string hint, std::string help,
                           std::vector<std::string>& at, Check check) {
    Setting& setting = add(
        std::move(key), std::move(hint), std::move(help),
        [&at, check](std::string_view v) {
            std::istringstream words{std::string(v)};
            std::vector<std::string> list;
            for (std::string url; words >> url;) {
                check(url);
                list.push_back(url);
            }
            at = std::move(list);
        },
        [&at] {
            std::string shown;
            for (const std::string& url : at)
                shown += (shown.empty() ? "" : " ") + without_password(url);
            return shown;
        });
    setting.is_list = true;
    return setting;
}

Setting& SettingList::add(std::string key, std::string hint, std::string help,
                          std::function<void(std::string_view)> set,
                          std::function<std::string()> get) {
    list.push_back({std::move(key), std::move(hint), std::move(help), false, std::move(set),
                    std::move(get), false});
    return list.back();
}

}  // namespace loadstone::server::internal
