#pragma once
// Passwords: argon2id through libargon2, on the CPU lane, never on a loop.

#include <string>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"

namespace campus::accounts {

// About 20 ms and 19 MiB each (the OWASP minimum for argon2id: m = 19 MiB, t = 2, p = 1). Gives
// the encoded hash with its salt and parameters.
loadstone::Task<std::string> hash_password(loadstone::Context& context, std::string password);
// The same on this thread: for commands, which hold nobody up.
std::string hash_password_here(const std::string& password);
// An empty `hash` costs the same as a wrong password, so that unknown accounts do not answer
// faster.
loadstone::Task<bool> verify_password(loadstone::Context& context, std::string password,
                                      std::string hash);

}  // namespace campus::accounts
