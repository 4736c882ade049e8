#pragma once
// Id<Tag>: a 64-bit database key that cannot be mistaken for a key of something else.

#include <compare>
#include <cstdint>
#include <functional>

namespace loadstone {

template <class Tag>
struct Id {
    std::int64_t value = 0;

    constexpr Id() = default;
    constexpr explicit Id(std::int64_t key) : value(key) {}
    friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace loadstone

template <class Tag>
struct std::hash<loadstone::Id<Tag>> {
    std::size_t operator()(const loadstone::Id<Tag>& id) const noexcept {
        return std::hash<std::int64_t>{}(id.value);
    }
};
