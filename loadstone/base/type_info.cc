#include "loadstone/base/type_info.h"

#include <cstring>
#include <limits>

#include "loadstone/base/assert.h"

namespace loadstone {

namespace {

template <class T>
T load(const void* object) noexcept {
    T value;
    std::memcpy(&value, object, sizeof value);
    return value;
}

template <class T>
bool store(void* object, std::int64_t value) noexcept {
    if constexpr (sizeof(T) < sizeof value) {
        if (value < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
            value > static_cast<std::int64_t>(std::numeric_limits<T>::max())) {
            return false;
        }
    } else if constexpr (std::numeric_limits<T>::min() == 0) {
        if (value < 0) return false;
    }
    const T narrowed = static_cast<T>(value);
    std::memcpy(object, &narrowed, sizeof narrowed);
    return true;
}

template <class Signed, class Unsigned>
std::int64_t load_either(const TypeInfo& type, const void* object) noexcept {
    if (type.is_signed) return load<Signed>(object);
    return load<Unsigned>(object);
}

template <class Signed, class Unsigned>
bool store_either(const TypeInfo& type, void* object, std::int64_t value) noexcept {
    return type.is_signed ? store<Signed>(object, value) : store<Unsigned>(object, value);
}

}  // namespace

std::int64_t get_integer(const TypeInfo& type, const void* object) noexcept {
    switch (type.size) {
        case 1: return load_either<std::int8_t, std::uint8_t>(type, object);
        case 2: return load_either<std::int16_t, std::uint16_t>(type, object);
        case 4: return load_either<std::int32_t, std::uint32_t>(type, object);
        case 8: return load<std::int64_t>(object);
        default: break;
    }
    LOADSTONE_ASSERT(false, "an integer has 1, 2, 4 or 8 bytes");
}

bool set_integer(const TypeInfo& type, void* object, std::int64_t value) noexcept {
    switch (type.size) {
        case 1: return store_either<std::int8_t, std::uint8_t>(type, object, value);
        case 2: return store_either<std::int16_t, std::uint16_t>(type, object, value);
        case 4: return store_either<std::int32_t, std::uint32_t>(type, object, value);
        case 8: return store_either<std::int64_t, std::uint64_t>(type, object, value);
        default: break;
    }
    LOADSTONE_ASSERT(false, "an integer has 1, 2, 4 or 8 bytes");
}

double get_real(const TypeInfo& type, const void* object) noexcept {
    if (type.size == sizeof(float)) return static_cast<double>(load<float>(object));
    return load<double>(object);
}

void set_real(const TypeInfo& type, void* object, double value) noexcept {
    if (type.size == sizeof(float)) {
        const float narrowed = static_cast<float>(value);
        std::memcpy(object, &narrowed, sizeof narrowed);
    } else {
        std::memcpy(object, &value, sizeof value);
    }
}

}  // namespace loadstone
