#pragma once
// Addresses as they go into headers and SMTP commands: what passes here cannot end a line, a
// header or a command.

#include <string_view>

#include "loadstone/outbound/mail.h"

namespace loadstone::outbound::internal {

inline constexpr std::size_t address_bytes_max = 254;  // RFC 5321 4.5.3.1.3, without the brackets

bool is_ascii(std::string_view text) noexcept;

// A dot-atom or its UTF-8 form (RFC 6531), "@", a domain or an address in brackets. Quoted local
// parts are not taken. Nothing, or why not.
std::string_view address_fault(std::string_view address) noexcept;
// Throws Error invalid_argument with `field`.
void require_address(std::string_view address, std::string_view field);

// "Name <address>", "\"Name\" <address>" or "address". Throws Error invalid_argument.
Mailbox parse_mailbox(std::string_view text, std::string_view field);

}  // namespace loadstone::outbound::internal
