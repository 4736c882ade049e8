#include "campus/accounts/session.h"

#include <sodium.h>

#include <array>

#include "campus/accounts/queries.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/random.h"

namespace campus::accounts {

using namespace loadstone;

NewSession new_session() {
    NewSession session;
    session.token = secret_token(32);
    session.token_hash = token_hash(session.token);
    return session;
}

std::string token_hash(std::string_view token) {
    std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
    crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(token.data()),
                       token.size());
    return to_hex(std::as_bytes(std::span(digest)));
}

Task<std::optional<runtime::Session>> session_of_token(Context& context, std::string_view token) {
    const std::string hash = token_hash(token);
    co_return co_await live_session(context.reader(), hash);
}

}  // namespace campus::accounts
