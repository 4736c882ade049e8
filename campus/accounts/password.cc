#include "campus/accounts/password.h"

#include <sodium.h>

#include <array>

#include "loadstone/base/error.h"
#include "loadstone/runtime/lane.h"

namespace campus::accounts {

using namespace loadstone;

namespace {

constexpr unsigned long long opslimit = 2;
constexpr std::size_t memlimit = 19ULL * 1024 * 1024;

using Encoded = std::array<char, crypto_pwhash_STRBYTES>;

std::string hash_now(const std::string& password) {
    if (sodium_init() < 0) throw Error(Errc::internal, "libsodium could not be initialised");
    Encoded encoded{};
    if (crypto_pwhash_str_alg(encoded.data(), password.data(), password.size(), opslimit, memlimit,
                              crypto_pwhash_ALG_ARGON2ID13) != 0) {
        throw Error(Errc::unavailable, "out of memory while hashing a password")
            .with_retry_after(std::chrono::seconds(1));
    }
    return std::string(encoded.data());
}

bool verify_now(const std::string& password, const std::string& hash) {
    if (hash.empty()) {
        hash_now(password);
        return false;
    }
    if (sodium_init() < 0) throw Error(Errc::internal, "libsodium could not be initialised");
    return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

}  // namespace

Task<std::string> hash_password(Context& context, std::string password) {
    auto work = [&password] { return hash_now(password); };
    runtime::Lane& lane = context.services().get<runtime::CpuLane>().lane;
    co_return co_await lane.run(context, work);
}

Task<bool> verify_password(Context& context, std::string password, std::string hash) {
    auto work = [&password, &hash] { return verify_now(password, hash); };
    runtime::Lane& lane = context.services().get<runtime::CpuLane>().lane;
    co_return co_await lane.run(context, work);
}

}  // namespace campus::accounts
