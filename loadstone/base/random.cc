#include "loadstone/base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"

namespace loadstone {

namespace {

// https://prng.di.unimi.it/splitmix64.c
std::uint64_t splitmix64(std::uint64_t& state) noexcept {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

}  // namespace

void fill_secret(std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t filled = getrandom(out.data(), out.size(), 0);
        if (filled < 0 && errno == EINTR) continue;
        LOADSTONE_ASSERT(filled > 0, "getrandom(2) gave no randomness");
        out = out.subspan(static_cast<std::size_t>(filled));
    }
}

std::string secret_token(std::size_t bytes) {
    std::vector<std::byte> secret(bytes);
    fill_secret(secret);
    return to_base64url(secret);
}

Random::Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = splitmix64(seed);
}

// https://prng.di.unimi.it/xoshiro256starstar.c
std::uint64_t Random::next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

double Random::uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t bound) noexcept {
    LOADSTONE_ASSERT(bound > 0, "there is no number below 0");
    // The lowest 2^64 mod bound values are rejected, so that each remainder is equally likely.
    const std::uint64_t rejected = (0 - bound) % bound;
    std::uint64_t value = next();
    while (value < rejected) value = next();
    return value % bound;
}

}  // namespace loadstone
