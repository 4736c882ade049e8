#include "loadstone/server/internal/system_routes.h"

#include "loadstone/base/error.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

struct Status {
    std::string status;
};
BOOST_DESCRIBE_STRUCT(Status, (), (status))

SystemState& state_of(Context& context) { return context.services().get<SystemState>(); }

// Alive: the loop answers. Nothing else is asked, so that a slow database does not get the process
// killed by its supervisor.
Task<Reply<Status>> healthz(Context&) {
    Reply<Status> reply{{"ok"}};
    co_return reply;
}

constexpr std::chrono::milliseconds readiness_kept{250};

Task<std::optional<Error>> trouble_of_database(Context& context, SystemState& state) {
    std::optional<Error> trouble;
    try {
        co_await state.database.check(context);
    } catch (...) {
        trouble = error_from_exception(std::current_exception());
    }
    co_return trouble;
}

// Ready: the database takes reads and writes, and the server is not draining.
Task<Reply<Status>> readyz(Context& context) {
    SystemState& state = state_of(context);
    if (state.draining)
        throw Error(Errc::unavailable, "the server is stopping")
            .with_retry_after(std::chrono::seconds(1));
    bool asks = false;
    std::optional<Error> trouble;
    {
        const std::lock_guard lock(state.mutex);
        const auto now = std::chrono::steady_clock::now();
        asks = !state.checks && now - state.checked_at >= readiness_kept;
        if (asks)
            state.checks = true;
        else
            trouble = state.trouble;
    }
    if (asks) {
        trouble = co_await trouble_of_database(context, state);
        const std::lock_guard lock(state.mutex);
        state.checks = false;
        state.checked_at = std::chrono::steady_clock::now();
        state.trouble = trouble;
    }
    if (trouble) throw Error(*trouble);
    Reply<Status> reply{{"ready"}};
    co_return reply;
}

bool is_local(const Request& request) {
    const std::string_view address = request.address();
    const bool loopback =
        address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
    if (!loopback) return false;
    // Behind a proxy on this host every client would look local.
    for (const std::string_view trace :
         {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"}) {
        if (request.header(trace).data() != nullptr) return false;  // also an empty one
    }
    // A page of another site whose name was made to mean this host sends its own name.
    const std::string_view host = request.header("host");
    const std::string_view name = host.substr(0, host.find(':'));
    return name == "localhost" || host == "[::1]" || host.starts_with("[::1]:") ||
           (name.starts_with("127.") &&
            name.find_first_not_of("0123456789.") == std::string_view::npos);
}

Task<Response> metrics(Context& context, const Request& request) {
    SystemState& state = state_of(context);
    const bool allowed = state.metrics == MetricsAccess::everyone ||
                         (state.metrics == MetricsAccess::local && is_local(request));
    if (!allowed) throw Error(Errc::not_found, "no such resource");
    co_return net::text_response(state.registry.prometheus(),
                                 "text/plain; version=0.0.4; charset=utf-8");
}

Task<Response> openapi(Context& context) {
    co_return net::text_response(state_of(context).openapi, "application/json");
}

}  // namespace

void system_routes(Routes& routes) {
    routes.get("/healthz", healthz)
        .summary_is("Whether the process lives")
        .open_to_all()
        .without_bulkhead();
    routes.get("/readyz", readyz)
        .summary_is("Whether requests can be served")
        .open_to_all()
        .without_bulkhead()
        .within(std::chrono::seconds(2));
    routes.get("/metrics", metrics).summary_is("Prometheus text format").open_to_all();
    routes.get("/openapi.json", openapi).summary_is("This description").open_to_all();
}

}  // namespace loadstone::server::internal
