#pragma once
// Randomness: secrets from the kernel, everything else (jitter, sampling) from a seeded generator
// that a test can replay.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace loadstone {

// Fills from getrandom(2).
void fill_secret(std::span<std::byte> out);
// `bytes` secret bytes in unpadded base64url.
std::string secret_token(std::size_t bytes);

// splitmix64-seeded xoshiro256**; not for secrets.
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept;
    std::uint64_t next() noexcept;
    // [0, 1)
    double uniform() noexcept;
    // [0, bound), bound > 0
    std::uint64_t below(std::uint64_t bound) noexcept;

private:
    std::uint64_t state_[4];
};

}  // namespace loadstone
