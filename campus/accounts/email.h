#pragma once

#include <string>
#include <string_view>

namespace campus::accounts {

// The form under which an address is unique: ASCII letters in lower case. Mail is sent to this
// form too; no mail provider in use tells a local part's letters apart by case.
std::string normalised_email(std::string_view address);

}  // namespace campus::accounts
