#pragma once
// Gzip (RFC 1952) of whole bodies; one per loop, because a zlib stream is a quarter of a megabyte.

#include <memory>
#include <string>
#include <string_view>

namespace loadstone::net::internal {

class Gzip {
public:
    Gzip();
    ~Gzip();

    // Level 1, because it runs on a loop: about 10 ms a megabyte. False if the result would not be
    // smaller or memory is short; `out` is replaced.
    bool compress(std::string_view text, std::string& out);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;  // made at the first use
};

}  // namespace loadstone::net::internal
