#include "loadstone/analytics/internal/wire.h"

#include <bit>
#include <cstring>

#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

static_assert(std::endian::native == std::endian::little);

void WireWriter::integer(std::int64_t value) {
    auto rest = (static_cast<std::uint64_t>(value) << 1U) ^
                static_cast<std::uint64_t>(value >> 63);  // small numbers of both signs are short
    while (rest >= 0x80U) {
        byte(static_cast<std::uint8_t>(rest | 0x80U));
        rest >>= 7U;
    }
    byte(static_cast<std::uint8_t>(rest));
}

void WireWriter::real(double value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_->append(bytes, sizeof value);
}

void WireWriter::text(std::string_view value) {
    integer(static_cast<std::int64_t>(value.size()));
    out_->append(value);
}

std::string_view WireReader::take(std::size_t bytes) {
    if (bytes > in_.size()) throw Error(Errc::data_loss, "the bytes of a fact or frame end early");
    const std::string_view taken = in_.substr(0, bytes);
    in_.remove_prefix(bytes);
    return taken;
}

std::uint8_t WireReader::byte() { return static_cast<std::uint8_t>(take(1)[0]); }

std::int64_t WireReader::integer() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const std::uint8_t part = byte();
        value |= std::uint64_t{part & 0x7FU} << shift;
        if ((part & 0x80U) == 0)
            return static_cast<std::int64_t>(value >> 1U) ^ -static_cast<std::int64_t>(value & 1U);
    }
    throw Error(Errc::data_loss, "a number in a fact or frame has more than 10 bytes");
}

double WireReader::real() {
    double value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
}

std::string_view WireReader::text() {
    const std::int64_t size = integer();
    if (size < 0) throw Error(Errc::data_loss, "a text in a fact or frame has a length below 0");
    return take(static_cast<std::size_t>(size));
}

}  // namespace loadstone::analytics::internal
