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

}  // namespace

std::int64_t get_integer(const TypeInfo& type, const void* object) noexcept {
    switch (type.size) {
        case 1: return type.is_signed ? load<std::int8_t>(object) : load<std::uint8_t>(object);
        case 2: return type.is_signed ? load<std::int16_t>(object) : load<std::uint16_t>(object);
        case 4: return type.is_signed ? load<std::int32_t>(object) : load<std::uint32_t>(object);
        case 8: return load<std::int64_t>(object);
        default: break;
    }
    LOADSTONE_ASSERT(false, "an integer has 1, 2, 4 or 8 bytes");
}

bool set_integer(const TypeInfo& type, void* object, std::int64_t value) noexcept {
    switch (type.size) {
        case 1: return type.is_signed ? store<std::int8_t>(object, value) : store<std::uint8_t>(object, value);
        case 2: return type.is_signed ? store<std::int16_t>(object, value) : store<std::uint16_t>(object, value);
        case 4: return type.is_signed ? store<std::int32_t>(object, value) : store<std::uint32_t>(object, value);
        case 8: return type.is_signed ? store<std::int64_t>(object, value) : store<std::uint64_t>(object, value);
        default: break;
    }
    LOADSTONE_ASSERT(false, "an integer has 1, 2, 4 or 8 bytes");
}

double get_real(const TypeInfo& type, const void* object) noexcept {
    return type.size == sizeof(float) ? static_cast<double>(load<float>(object)) : load<double>(object);
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
