#include "loadstone/net/internal/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"

namespace loadstone::net::internal {

std::string sha256_hex(std::initializer_list<std::string_view> parts) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(),
                                                                         &EVP_MD_CTX_free);
    bool is_good = digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1;
    for (const std::string_view part : parts) {
        const std::uint64_t size = part.size();
        is_good = is_good && EVP_DigestUpdate(digest.get(), &size, sizeof size) == 1 &&
                  EVP_DigestUpdate(digest.get(), part.data(), part.size()) == 1;
    }
    std::array<std::byte, 32> hash{};
    is_good =
        is_good && EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(hash.data()),
                                      nullptr) == 1;
    if (!is_good) throw Error(Errc::internal, "OpenSSL could not compute SHA-256");
    return to_hex(hash);
}

}  // namespace loadstone::net::internal
