#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace loadstone {

// SHA-256 of the parts, each after its length, so that no two lists of parts hash alike; in hex.
std::string sha256_hex(std::initializer_list<std::string_view> parts);

}  // namespace loadstone
