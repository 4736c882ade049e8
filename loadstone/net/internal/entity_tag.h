#pragma once
// Entity tags (RFC 9110 8.8.3): what says whether a client has an answer already.

#include <string>
#include <string_view>

namespace loadstone::net::internal {

// Of a body, the same on every node. Weak, because what is sent may be compressed.
std::string entity_tag_of(std::string_view body);

// Whether the value of an If-None-Match field names `tag`, by weak comparison (RFC 9110 13.1.2):
// it is "*", or one of its tags is the same but for W/. What is no list of tags names none.
bool is_named_by(std::string_view if_none_match, std::string_view tag) noexcept;

}  // namespace loadstone::net::internal
