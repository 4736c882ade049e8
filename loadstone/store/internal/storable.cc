#include "loadstone/store/internal/storable.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace loadstone::store::internal {

void require_storable(std::string_view statement, std::span<const Value> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i].kind != ValueKind::text) continue;
        const std::size_t at = values[i].text.find('\0');
        if (at == std::string_view::npos) continue;
        throw Error(
            Errc::invalid_argument,
            fmt::format(
                "{}: parameter ${} is text with U+0000 at byte {}; bytes may hold it, text may not",
                statement, i + 1, at));
    }
}

}  // namespace loadstone::store::internal
