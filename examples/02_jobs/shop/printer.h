#pragma once
// The outside world: a printer instead of a mail server. It is a file, printer.txt where the
// program was started; while there is a file printer.off, it is off.

#include <string>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"

namespace shop {

// Prints a line with a key, by which whoever reads it can tell a second copy from a second letter.
// Errc::unavailable while it is off.
loadstone::Task<void> print_line(loadstone::Context& context, std::string key, std::string line);

}  // namespace shop
