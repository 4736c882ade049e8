#include "loadstone/analytics/clickhouse/address.h"

#include "loadstone/base/error.h"
#include "loadstone/outbound/http_connection.h"

namespace loadstone::analytics::clickhouse {

Address address_of(const std::string& url) {
    outbound::UrlParts parts = outbound::parts_of_url(url);
    if (parts.path.empty() || parts.path.find('/') != std::string::npos)
        throw Error(Errc::invalid_argument,
                    "the column store's URL names no database: expected "
                    "http://USER:PASSWORD@HOST:PORT/DATABASE");
    if (parts.user.empty() && !parts.password.empty())
        throw Error(Errc::invalid_argument,
                    "the column store's URL has a password and no user: expected "
                    "http://USER:PASSWORD@HOST:PORT/DATABASE");
    Address address;
    address.url = parts.base + "/?database=" + outbound::url_encoded(parts.path);
    address.name = parts.authority + "/" + parts.path;
    address.user = std::move(parts.user);
    address.password = std::move(parts.password);
    return address;
}

}  // namespace loadstone::analytics::clickhouse
