#include "campus/dashboards/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "loadstone/base/error.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

constexpr const char* policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const char* type_of(std::string_view name) {
    if (name.ends_with(".html")) return "text/html; charset=utf-8";
    if (name.ends_with(".css")) return "text/css; charset=utf-8";
    if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
    return "text/plain; charset=utf-8";
}

Response response_of(const Asset& asset) {
    Response response;
    response.content_type = type_of(asset.name);
    response.body = asset.text;
    response.set_header("Content-Security-Policy", policy);
    response.set_header("Referrer-Policy", "no-referrer");
    response.set_header("Cache-Control", "no-cache");
    return response;
}

const Asset& asset_named(std::string_view name) {
    const auto at = std::ranges::find(assets, name, &Asset::name);
    if (at == assets.end()) throw Error(Errc::not_found, fmt::format("there is no file {}", name));
    return *at;
}

Task<Response> page(Context&) { co_return response_of(asset_named("dashboards.html")); }

Task<Response> file(Context&, Path<std::string> name) {
    co_return response_of(asset_named(name.value));
}

}  // namespace

// The files say nothing of anybody, and whoever is signed out signs in there; what they ask for
// needs a session.
void page_routes(Routes& routes) {
    routes.get("/dashboards", page).summary_is("The dashboards as a page").open_to_all();
    routes.get("/dashboards/{file}", file)
        .summary_is("A file of the page of dashboards")
        .open_to_all()
        .may_answer(404);
}

}  // namespace campus::dashboards
