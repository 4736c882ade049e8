#pragma once
// Router: a tree of path segments, built once and only read afterwards. A literal segment wins
// over a {parameter}; a branch that has no route for the method is left again.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/net/route.h"

namespace loadstone::net::internal {

inline constexpr std::size_t method_count = 7;

struct RouteMatch {
    int route = -1;            // index into the routes; -1: none with this path and method
    std::uint8_t allowed = 0;  // bit per Method that a route of this path has; 0: no such path
    PathParameters parameters;
};

class Router {
public:
    // Throws Error invalid_argument for a pattern that is malformed or taken, or whose parameters
    // are not as many as its handler's Path<> inputs.
    explicit Router(const std::vector<std::unique_ptr<Route>>& routes);

    // `path` is decoded and normalised; the parameters are views of it. HEAD is served by GET.
    void match(Method method, std::string_view path, RouteMatch& match) const;

private:
    static constexpr std::int32_t absent = -1;

    struct Node {
        std::vector<std::pair<std::string, std::int32_t>> literals;  // sorted
        std::int32_t parameter = absent;
        std::array<std::int32_t, method_count> routes;

        Node() { routes.fill(absent); }
        std::int32_t literal(std::string_view segment) const noexcept;
    };

    void add(const Route& route, std::int32_t index);
    std::int32_t child(std::int32_t node, std::string_view segment);
    bool descend(std::int32_t node, std::string_view rest, Method method, RouteMatch& match) const;

    std::vector<Node> nodes_;
};

// The names of a pattern's {parameters}, in order.
std::vector<std::string> parameter_names(std::string_view pattern);

// "GET, HEAD, POST, OPTIONS" of a mask, for Allow.
std::string allow_field(std::uint8_t methods);

}  // namespace loadstone::net::internal
