#pragma once
// Target: what a postgres:// URL says, as libpq's keywords and values.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/store/database.h"

namespace loadstone::store::postgres {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// What a connection is for decides how it is opened.
// `replica`: reads on a server whatever its role; `watch`: asking it for its role.
enum class Use { read, transaction, listen, notify, schema, replica, watch };
std::string_view to_string(Use use) noexcept;

struct Target {
    Parameters parameters;   // as the URL and the environment give them; only what is not empty
    bool is_pooled = false;  // ?pooler=transaction: nothing may be left in a session
    bool has_several_hosts = false;
    std::string shown;  // host:port/name, for messages
};

// Errors: invalid_argument, field "database"; never with the password.
Target target_of(const DatabaseOptions& options);

// Each host of `target` by itself.
std::vector<Target> hosts_of(const Target& target);
// Each host of the URL and of the replicas' URLs by itself: any may be the primary. Errors as of
// target_of(); with replicas no URL may name a pooler, for which server answers is not known then,
// and all name the same database.
std::vector<Target> servers_of(const DatabaseOptions& options);
// How many of them, the first ones, are those of DatabaseOptions::url.
std::size_t own_servers_of(const DatabaseOptions& options);
// All of them as the hosts of one URL, in the same order, for connections to whichever is the
// primary: with user, password and database of DatabaseOptions::url.
Target primary_of(const DatabaseOptions& options);

// The parameters of a connection for `use`. Read connections cannot write; with several hosts,
// those that must see every commit insist on the primary.
Parameters parameters_for(const Target& target, Use use, const DatabaseOptions& options);

const std::string* find(const Parameters& parameters, std::string_view keyword) noexcept;
void set(Parameters& parameters, std::string_view keyword, std::string value);

// PQconnectStartParams and PQconnectdbParams take arrays that end with null.
struct ParameterArrays {
    explicit ParameterArrays(const Parameters& parameters);
    std::vector<const char*> keywords;
    std::vector<const char*> values;
};

}  // namespace loadstone::store::postgres
