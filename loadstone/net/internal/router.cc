#include "loadstone/net/internal/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

constexpr std::uint8_t bit(Method method) noexcept {
    return static_cast<std::uint8_t>(1u << static_cast<unsigned>(method));
}

// The first segment of "/a/b" is "a"; `rest` becomes "/b", or empty.
std::string_view take_segment(std::string_view& rest) noexcept {
    const auto end = std::min(rest.find('/', 1), rest.size());
    const std::string_view segment = rest.substr(1, end - 1);
    rest.remove_prefix(end);
    return segment;
}

bool is_parameter(std::string_view segment) noexcept { return segment.starts_with('{'); }

[[noreturn]] void reject(const Route& route, std::string_view why) {
    throw Error(Errc::invalid_argument,
                fmt::format("route {} {}: {}", to_string(route.method), route.pattern, why));
}

void check_pattern(const Route& route) {
    std::string_view rest = route.pattern;
    if (!rest.starts_with('/')) reject(route, "a pattern begins with /");
    if (!route.handler) reject(route, "it has no handler");
    while (!rest.empty() && route.pattern != "/") {
        const std::string_view segment = take_segment(rest);
        if (segment.empty()) reject(route, "a pattern has no empty segments and no / at its end");
        const std::string_view name =
            is_parameter(segment) ? segment.substr(1, segment.size() - 2) : segment;
        const bool is_closed =
            !is_parameter(segment) || (segment.size() > 2 && segment.ends_with('}'));
        if (!is_closed || name.find_first_of("{}%?#") != std::string_view::npos) {
            reject(route, fmt::format("segment '{}' is neither text nor one {{name}}", segment));
        }
    }
    const auto names = parameter_names(route.pattern);
    if (names.size() > PathParameters::count_max) {
        reject(route, fmt::format("it has {} parameters, at most {} are allowed", names.size(),
                                  PathParameters::count_max));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (std::find(names.begin() + static_cast<std::ptrdiff_t>(i) + 1, names.end(), names[i]) !=
            names.end()) {
            reject(route, fmt::format("parameter '{}' comes twice", names[i]));
        }
    }
    const std::size_t inputs = route.types.path.size();
    if (inputs != 0 && inputs != names.size()) {
        reject(route,
               fmt::format("its handler takes {} Path<> inputs, the pattern has {} parameters",
                           inputs, names.size()));
    }
    if (inputs == 0 && !names.empty() && !route.types.takes_request) {
        reject(route, "its handler takes neither the pattern's parameters nor the request");
    }
}

}  // namespace

std::vector<std::string> parameter_names(std::string_view pattern) {
    std::vector<std::string> names;
    for (std::string_view rest = pattern; !rest.empty() && pattern != "/";) {
        const std::string_view segment = take_segment(rest);
        if (is_parameter(segment)) names.emplace_back(segment.substr(1, segment.size() - 2));
    }
    return names;
}

std::string allow_field(std::uint8_t methods) {
    if ((methods & bit(Method::get)) != 0) methods |= bit(Method::head);
    methods |= bit(Method::options);
    std::string text;
    for (std::size_t i = 0; i < method_count; ++i) {
        const auto method = static_cast<Method>(i);
        if ((methods & bit(method)) == 0) continue;
        if (!text.empty()) text += ", ";
        text += to_string(method);
    }
    return text;
}

std::int32_t Router::Node::literal(std::string_view segment) const noexcept {
    const auto found = std::lower_bound(
        literals.begin(), literals.end(), segment,
        [](const auto& entry, std::string_view text) { return entry.first < text; });
    return found != literals.end() && found->first == segment ? found->second : absent;
}

Router::Router(const std::vector<std::unique_ptr<Route>>& routes) : nodes_(1) {
    for (std::size_t i = 0; i < routes.size(); ++i) {
        check_pattern(*routes[i]);
        add(*routes[i], static_cast<std::int32_t>(i));
    }
}

std::int32_t Router::child(std::int32_t node, std::string_view segment) {
    const std::int32_t next = static_cast<std::int32_t>(nodes_.size());
    Node& parent = nodes_[static_cast<std::size_t>(node)];
    if (is_parameter(segment)) {
        if (parent.parameter != absent) return parent.parameter;
        parent.parameter = next;
    } else {
        const std::int32_t found = parent.literal(segment);
        if (found != absent) return found;
        const auto place = std::lower_bound(
            parent.literals.begin(), parent.literals.end(), segment,
            [](const auto& entry, std::string_view text) { return entry.first < text; });
        parent.literals.emplace(place, segment, next);
    }
    nodes_.emplace_back();  // `parent` is gone
    return next;
}

void Router::add(const Route& route, std::int32_t index) {
    std::int32_t node = 0;
    for (std::string_view rest = route.pattern; !rest.empty();)
        node = child(node, take_segment(rest));
    std::int32_t& place =
        nodes_[static_cast<std::size_t>(node)].routes[static_cast<std::size_t>(route.method)];
    if (place != absent) reject(route, "another route has this method and pattern");
    place = index;
}

void Router::match(Method method, std::string_view path, RouteMatch& match) const {
    match.route = -1;
    match.allowed = 0;
    match.parameters.truncate(0);
    descend(0, path, method, match);
}

bool Router::descend(std::int32_t index, std::string_view rest, Method method,
                     RouteMatch& match) const {
    const Node& node = nodes_[static_cast<std::size_t>(index)];
    if (rest.empty()) {
        for (std::size_t i = 0; i < method_count; ++i) {
            if (node.routes[i] != absent) match.allowed |= bit(static_cast<Method>(i));
        }
        std::int32_t route = node.routes[static_cast<std::size_t>(method)];
        if (route == absent && method == Method::head)
            route = node.routes[static_cast<std::size_t>(Method::get)];
        match.route = route;
        return route != absent;
    }
    const std::string_view segment = take_segment(rest);
    const std::int32_t literal = node.literal(segment);
    if (literal != absent && descend(literal, rest, method, match)) return true;
    if (node.parameter == absent || segment.empty()) return false;
    const std::size_t taken = match.parameters.size();
    match.parameters.push(segment);
    if (descend(node.parameter, rest, method, match)) return true;
    match.parameters.truncate(taken);
    return false;
}

}  // namespace loadstone::net::internal
