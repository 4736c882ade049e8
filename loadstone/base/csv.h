#pragma once
// CSV as RFC 4180 has it, for people who open it with a spreadsheet.

#include <initializer_list>
#include <string>
#include <string_view>

namespace loadstone {

// One record with its CRLF (RFC 4180). A cell that a spreadsheet would take for a formula (it
// begins with =, +, -, @, a tab or a carriage return) gets an apostrophe before it.
void append_csv_record(std::string& out, std::initializer_list<std::string_view> cells);

}  // namespace loadstone
