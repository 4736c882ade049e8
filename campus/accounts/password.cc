#include "campus/accounts/password.h"

#include <argon2.h>
#include <fmt/core.h>

#include <array>
#include <cstddef>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "loadstone/runtime/lane.h"

namespace campus::accounts {

using namespace loadstone;

namespace {

constexpr std::uint32_t passes = 2;
constexpr std::uint32_t memory_kib = 19 * 1024;
constexpr std::uint32_t lanes = 1;
constexpr std::size_t salt_size = 16;
constexpr std::size_t hash_size = 32;

Error hashing_error(int code) {
    if (code == ARGON2_MEMORY_ALLOCATION_ERROR) {
        return Error(Errc::unavailable, "out of memory while hashing a password")
            .with_retry_after(std::chrono::seconds(1));
    }
    return Error(Errc::internal, fmt::format("argon2id: {}", argon2_error_message(code)));
}

bool verify_now(const std::string& password, const std::string& hash) {
    if (hash.empty()) {
        hash_password_here(password);
        return false;
    }
    const int code = argon2id_verify(hash.c_str(), password.data(), password.size());
    if (code == ARGON2_VERIFY_MISMATCH) return false;
    if (code != ARGON2_OK) throw hashing_error(code);
    return true;
}

}  // namespace

std::string hash_password_here(const std::string& password) {
    std::array<std::byte, salt_size> salt{};
    fill_secret(salt);
    std::array<char, 128> encoded{};
    const int code =
        argon2id_hash_encoded(passes, memory_kib, lanes, password.data(), password.size(),
                              salt.data(), salt.size(), hash_size, encoded.data(), encoded.size());
    if (code != ARGON2_OK) throw hashing_error(code);
    return std::string(encoded.data());
}

Task<std::string> hash_password(Context& context, std::string password) {
    auto work = [&password] { return hash_password_here(password); };
    runtime::Lane& lane = context.services().get<runtime::CpuLane>().lane;
    co_return co_await lane.run(context, work);
}

Task<bool> verify_password(Context& context, std::string password, std::string hash) {
    auto work = [&password, &hash] { return verify_now(password, hash); };
    runtime::Lane& lane = context.services().get<runtime::CpuLane>().lane;
    co_return co_await lane.run(context, work);
}

}  // namespace campus::accounts
