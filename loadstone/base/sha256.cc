#include "loadstone/base/sha256.h"

#include <sodium.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "loadstone/base/encoding.h"

namespace loadstone {

namespace {

const unsigned char* bytes(const void* data) { return static_cast<const unsigned char*>(data); }

}  // namespace

std::string sha256_hex(std::initializer_list<std::string_view> parts) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (const std::string_view part : parts) {
        const std::uint64_t size = part.size();
        crypto_hash_sha256_update(&state, bytes(&size), sizeof size);
        crypto_hash_sha256_update(&state, bytes(part.data()), part.size());
    }
    std::array<std::byte, crypto_hash_sha256_BYTES> hash{};
    crypto_hash_sha256_final(&state, reinterpret_cast<unsigned char*>(hash.data()));
    return to_hex(hash);
}

}  // namespace loadstone
