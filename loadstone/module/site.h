#pragma once
// Site: where a server keeps files and how people reach it, for modules that write files or links.
// A service of every server.

#include <string>

namespace loadstone::module {

struct Site {
    std::string files;  // a folder that all processes of a database see; there, of this user alone
    std::string url;    // "https://campus.example.org", without a slash at its end
};

}  // namespace loadstone::module
