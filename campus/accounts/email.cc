#include "campus/accounts/accounts.h"

namespace campus::accounts {

std::string normalised_email(std::string_view address) {
    std::string normalised(address);
    for (char& c : normalised) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return normalised;
}

}  // namespace campus::accounts
