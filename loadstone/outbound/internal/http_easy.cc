#include "loadstone/outbound/internal/http_easy.h"

#include <algorithm>
#include <new>

#include "loadstone/base/error.h"

namespace loadstone::outbound::internal {

namespace {

constexpr long idle_connection_s = 15;

}  // namespace

void HeaderList::add(const std::string& line) {
    curl_slist* const list = list_.release();
    curl_slist* const longer = curl_slist_append(list, line.c_str());
    list_.reset(longer != nullptr ? longer : list);
    if (longer == nullptr) throw std::bad_alloc();
}

std::string header_line(const std::string& name, const std::string& value) {
    const bool is_token = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
        return c > 0x20 && c < 0x7f &&
               std::string_view("()<>@,;:\\\"/[]?={}").find(static_cast<char>(c)) ==
                   std::string_view::npos;
    });
    const bool is_value = std::ranges::none_of(
        value, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
    if (!is_token || !is_value)
        throw Error(Errc::invalid_argument, "a header of a request cannot be sent");
    // libcurl leaves out a header that has a colon and nothing behind it.
    return value.empty() ? name + ";" : name + ": " + value;
}

void configure_easy(CURL* easy, const HttpClientOptions& options) {
    set_option(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set_option(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set_option(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set_option(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
    set_option(easy, CURLOPT_PROXY, "");  // not what the environment says
    set_option(easy, CURLOPT_NOSIGNAL, 1L);
    set_option(easy, CURLOPT_QUICK_EXIT, 1L);  // closing does not wait for a resolver's thread
    set_option(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    set_option(easy, CURLOPT_MAXAGE_CONN, idle_connection_s);
    if (options.tls_ca_file.empty()) return;
    set_option(easy, CURLOPT_CAINFO, options.tls_ca_file.c_str());
    set_option(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
}

}  // namespace loadstone::outbound::internal
