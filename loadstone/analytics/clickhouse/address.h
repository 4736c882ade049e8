#pragma once
// http://USER:PASSWORD@HOST:PORT/DATABASE.

#include <string>

namespace loadstone::analytics::clickhouse {

struct Address {
    std::string url;   // "http://host:8123/?database=campus"
    std::string name;  // "host:8123/campus", for people
    std::string user, password;
};

// Errors: invalid_argument, without the URL in it; also for what has no database.
Address address_of(const std::string& url);

}  // namespace loadstone::analytics::clickhouse
