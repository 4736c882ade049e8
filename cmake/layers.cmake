# The libraries of Loadstone, lowest first: the one table that both the build and tools/tidy read.
#
#   loadstone_layer(<library> <layer> USES <lower libraries> EXTERNAL <targets in public headers or interface>
#                   PRIVATE <targets used in .cc files only>)
#
# A library may include headers of itself and of what it USES, directly or transitively; that is always of a lower
# layer. A library without a folder yet is skipped.

loadstone_layer(base 0
    EXTERNAL fmt::fmt tl::expected Boost::headers
    PRIVATE spdlog::spdlog Boost::json PkgConfig::libsodium)

loadstone_layer(telemetry 1 USES base)

loadstone_layer(runtime 2 USES telemetry EXTERNAL Threads::Threads)
loadstone_layer(attribution 2 USES telemetry)

loadstone_layer(admission 3 USES runtime)

loadstone_layer(store 4 USES admission PRIVATE SQLite::SQLite3 PostgreSQL::PostgreSQL)
loadstone_layer(net 4 USES admission PRIVATE OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB Boost::json)
loadstone_layer(outbound 4 USES admission PRIVATE CURL::libcurl)
loadstone_layer(worker 4 USES admission)

loadstone_layer(jobs 5 USES store PRIVATE date::date-tz)
loadstone_layer(cache 5 USES store)
loadstone_layer(analytics 5 USES store outbound)
loadstone_layer(realtime 5 USES store net)
loadstone_layer(content 5 USES store net)
loadstone_layer(webhooks 5 USES store net outbound)

loadstone_layer(module 6 USES jobs cache analytics realtime content webhooks net outbound attribution worker)
loadstone_layer(console 7 USES module)
loadstone_layer(server 8 USES console module PRIVATE CLI11::CLI11 tomlplusplus::tomlplusplus PkgConfig::libsodium
    OpenSSL::Crypto)
