#include "campus/courses/title_key.h"

namespace campus::courses {

std::string title_key(std::string_view title) {
    std::string key(title);
    for (char& c : key) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return key;
}

std::string end_of_prefix(std::string_view prefix) {
    return std::string(prefix).append(behind_all);
}

}  // namespace campus::courses
