#pragma once
// Route: one method and pattern with its handler and its policy, as data. A handler is
// Task<Response> or Task<Reply<T, Status>> of (Context&, inputs...), where an input is
//   Body<T>         the JSON body, read strictly and validated (check.h)
//   Path<T>         the next {parameter} of the pattern: an integer, Id<Tag> or std::string
//   Parameters<T>   the query string as a described struct; members optional<> or defaulted
//   const Request&  the request itself

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/describe.h"
#include "loadstone/net/check.h"
#include "loadstone/net/request.h"
#include "loadstone/net/response.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"

namespace loadstone::net {

template <class T>
class Body {
public:
    explicit Body(T value) : value_(std::move(value)) {}
    const T& operator*() const noexcept { return value_; }
    const T* operator->() const noexcept { return &value_; }

private:
    T value_;
};

template <class T>
struct Path {
    T value;
};

template <class T>
struct Parameters {
    T value;
    const T& operator*() const noexcept { return value; }
    const T* operator->() const noexcept { return &value; }
};

// The texts of a pattern's {parameters} in order, percent-decoded once (an encoded slash stays
// "%2F").
class PathParameters {
public:
    static constexpr std::size_t count_max = 8;

    std::size_t size() const noexcept { return size_; }
    std::string_view at(std::size_t index) const noexcept {
        LOADSTONE_ASSERT(index < size_,
                         "a handler takes as many Path<> as its pattern has parameters");
        return texts_[index];
    }
    void push(std::string_view text) noexcept {
        LOADSTONE_ASSERT(size_ < count_max,
                         "the router has checked how many parameters a pattern has");
        texts_[size_++] = text;
    }
    void truncate(std::size_t size) noexcept { size_ = size; }

private:
    std::array<std::string_view, count_max> texts_;
    std::size_t size_ = 0;
};

// What the router has matched.
struct Matched {
    const Request& request;
    PathParameters parameters;
    std::size_t response_bytes_max = std::string::npos;  // of the answer's body (HttpLimits)
};

using Handler = std::function<Task<Response>(Context&, const Matched&)>;

enum class SessionNeed : std::uint8_t {
    none,      // the cookie is not looked at
    optional,  // resolved if there
    required,  // 401 without
};

// For OpenAPI.
struct RouteTypes {
    const TypeInfo* body = nullptr;
    std::vector<Check::Rule> rules;
    std::vector<const TypeInfo*> path;
    const TypeInfo* parameters = nullptr;
    std::vector<Check::Rule> parameter_rules;
    bool takes_request = false;
    const TypeInfo* reply = nullptr;
    int reply_status = 200;
};

// Of a route whose handler looks at no body.
inline constexpr std::size_t unread_body_bytes_max = 4 * 1024;

struct Route {
    Method method;
    std::string pattern;  // "/api/courses/{course}"
    std::string module;
    Handler handler;
    RouteTypes types;

    std::string summary;
    SessionNeed session = SessionNeed::required;
    bool idempotency = true;  // POST: honour Idempotency-Key
    bool bulkhead = true;     // of its module; off for what must answer when the module is full
    std::size_t body_bytes_max = 64 * 1024;
    std::chrono::milliseconds deadline{10'000};
    std::vector<int> errors;   // statuses that only the handler knows of, for the OpenAPI document
    bool heavy_reads = false;  // a bulkhead and connections of their own, never on the primary
    bool revalidates = false;  // 304 for a client that has the answer already
    std::chrono::milliseconds stale_max{0};  // rather an answer so old than 503; 0: no
    int per_address_limit = 0;               // requests per `per_address_period`; 0: none
    std::chrono::seconds per_address_period{60};

    // Policy, chained where the route is declared.
    Route& summary_is(std::string text) {
        summary = std::move(text);
        return *this;
    }
    Route& open_to_all() {
        session = SessionNeed::none;
        return *this;
    }
    Route& session_optional() {
        session = SessionNeed::optional;
        return *this;
    }
    Route& body_max(std::size_t bytes) {
        body_bytes_max = bytes;
        return *this;
    }
    Route& within(std::chrono::milliseconds time) {
        deadline = time;
        return *this;
    }
    Route& may_answer(int error_status) {
        errors.push_back(error_status);
        return *this;
    }
    Route& without_bulkhead() {
        bulkhead = false;
        return *this;
    }
    Route& without_idempotency() {
        idempotency = false;
        return *this;
    }
    // It reads much, for a dashboard or a report: in a bulkhead of its own, on connections of its
    // own, on replicas alone (on SQLite: on the reader lane).
    Route& heavy_on_reads() {
        heavy_reads = true;
        return *this;
    }
    // When no replica is fresh enough and the primary has no room, or is away: an answer that is
    // older, by up to `age`, with the header Loadstone-Stale (seconds), which no cache keeps.
    Route& stale_allowed(std::chrono::milliseconds age) {
        stale_max = age;
        return *this;
    }
    // A GET's 200 has an ETag: one that the handler has set, or else one of its body. Whoever asks
    // with it in If-None-Match, and would be given the same, is answered 304 without the body. The
    // handler runs all the same: who may not see the answer is told that, and nothing is confirmed.
    Route& revalidated() {
        revalidates = true;
        return *this;
    }
    Route& limit_per_address(int requests, std::chrono::seconds period) {
        per_address_limit = requests;
        per_address_period = period;
        return *this;
    }
};

namespace internal {

// All throw Error (http_error.h): 400 for a body that is not JSON, 422 for what is in it or in the
// query string, 404 for a path that cannot name anything.
void read_body(const Request& request, const TypeInfo& type, void* object);
void throw_failures(const Check& check);
void read_path_value(std::string_view text, const TypeInfo& type, void* object);
void read_parameters(std::string_view query, const TypeInfo& type, void* object);

template <class T>
concept HasValidate = requires(Check& check, const T& value) { validate(check, value); };

template <class T>
struct Input;

template <class T>
struct Input<Body<T>> {
    static Body<T> get(const Matched& matched, std::size_t&) {
        T value{};
        read_body(matched.request, type_info<T>(), &value);
        if constexpr (HasValidate<T>) {
            Check check;
            validate(check, value);
            throw_failures(check);
        }
        return Body<T>(std::move(value));
    }
    static void describe(RouteTypes& types) {
        types.body = &type_info<T>();
        if constexpr (HasValidate<T>) {
            Check check = Check::recording();
            validate(check, T{});
            types.rules = check.rules();
        }
    }
};

template <class T>
struct Input<Path<T>> {
    static Path<T> get(const Matched& matched, std::size_t& next) {
        Path<T> path{};
        read_path_value(matched.parameters.at(next++), type_info<T>(), &path.value);
        return path;
    }
    static void describe(RouteTypes& types) { types.path.push_back(&type_info<T>()); }
};

template <class T>
struct Input<Parameters<T>> {
    static Parameters<T> get(const Matched& matched, std::size_t&) {
        Parameters<T> parameters{};
        read_parameters(matched.request.query(), type_info<T>(), &parameters.value);
        if constexpr (HasValidate<T>) {
            Check check;
            validate(check, parameters.value);
            throw_failures(check);
        }
        return parameters;
    }
    static void describe(RouteTypes& types) {
        types.parameters = &type_info<T>();
        if constexpr (HasValidate<T>) {
            Check check = Check::recording();
            validate(check, T{});
            types.parameter_rules = check.rules();
        }
    }
};

template <>
struct Input<Request> {
    static const Request& get(const Matched& matched, std::size_t&) { return matched.request; }
    static void describe(RouteTypes& types) { types.takes_request = true; }
};

template <class T>
struct Returned {
    static constexpr bool is_reply = false;
};
template <class T, int Status>
struct Returned<Reply<T, Status>> {
    static constexpr bool is_reply = true;
    static void describe(RouteTypes& types) {
        types.reply = &type_info<T>();
        types.reply_status = Status;
    }
    static Response respond(Reply<T, Status> reply, std::size_t bytes_max) {
        Response response = json_response(Status, reply.body, bytes_max);
        response.headers = std::move(reply.headers);
        return response;
    }
};

template <class Value, class... Inputs>
Task<Response> call(Task<Value> (*function)(Context&, Inputs...), Context& context,
                    const Matched& matched) {
    std::size_t next = 0;
    // Braces: evaluated left to right, so path parameters pair in order.
    std::tuple<decltype(Input<std::remove_cvref_t<Inputs>>::get(matched, next))...> inputs{
        Input<std::remove_cvref_t<Inputs>>::get(matched, next)...};
    auto apply = [&](auto&... input) {
        return function(context, std::forward<std::remove_reference_t<decltype(input)>>(input)...);
    };
    Task<Value> task = std::apply(apply, inputs);
    if constexpr (Returned<Value>::is_reply) {
        Value reply = co_await std::move(task);
        co_return Returned<Value>::respond(std::move(reply), matched.response_bytes_max);
    } else {
        Response response = co_await std::move(task);
        co_return response;
    }
}

}  // namespace internal

// Collects the routes of one module.
class Routes {
public:
    Routes(std::string module, std::vector<std::unique_ptr<Route>>& routes)
        : module_(std::move(module)), routes_(&routes) {}

    template <class Value, class... Inputs>
    Route& get(std::string pattern, Task<Value> (*handler)(Context&, Inputs...)) {
        return add(Method::get, std::move(pattern), handler);
    }
    template <class Value, class... Inputs>
    Route& post(std::string pattern, Task<Value> (*handler)(Context&, Inputs...)) {
        return add(Method::post, std::move(pattern), handler);
    }
    template <class Value, class... Inputs>
    Route& put(std::string pattern, Task<Value> (*handler)(Context&, Inputs...)) {
        return add(Method::put, std::move(pattern), handler);
    }
    template <class Value, class... Inputs>
    Route& patch(std::string pattern, Task<Value> (*handler)(Context&, Inputs...)) {
        return add(Method::patch, std::move(pattern), handler);
    }
    template <class Value, class... Inputs>
    Route& remove(std::string pattern, Task<Value> (*handler)(Context&, Inputs...)) {
        return add(Method::delete_, std::move(pattern), handler);
    }

private:
    template <class Value, class... Inputs>
    Route& add(Method method, std::string pattern, Task<Value> (*function)(Context&, Inputs...)) {
        auto route = std::make_unique<Route>();
        route->method = method;
        route->pattern = std::move(pattern);
        route->module = module_;
        route->handler = [function](Context& context, const Matched& matched) {
            return internal::call(function, context, matched);
        };
        (internal::Input<std::remove_cvref_t<Inputs>>::describe(route->types), ...);
        if (route->types.body == nullptr && !route->types.takes_request)
            route->body_bytes_max = unread_body_bytes_max;
        if constexpr (internal::Returned<Value>::is_reply)
            internal::Returned<Value>::describe(route->types);
        routes_->push_back(std::move(route));
        return *routes_->back();
    }

    std::string module_;
    std::vector<std::unique_ptr<Route>>* routes_;
};

}  // namespace loadstone::net

namespace loadstone {
using net::Body;
using net::Parameters;
using net::Path;
using net::Request;
using net::Routes;
}  // namespace loadstone
