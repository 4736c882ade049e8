#pragma once
// WalIndex: whether anybody has committed since, without asking SQLite to begin a transaction: the
// header of the memory that all connections of all processes share, which each commit rewrites
// before it returns (https://www.sqlite.org/walformat.html, "The WAL-Index Header").

#include <sqlite3.h>

#include <array>
#include <cstdint>

namespace loadstone::store::sqlite {

class WalIndex {
public:
    static constexpr std::size_t header_words = 12;  // 48 bytes, the first of two copies
    using Version = std::array<std::uint32_t, header_words>;

    WalIndex() = default;
    // Of a connection that has read from its WAL database; valid as long as it is open.
    explicit WalIndex(sqlite3* db);

    // False if the memory could not be found: then nothing can be said of versions.
    bool mapped() const noexcept { return header_ != nullptr; }
    Version version() const noexcept;

private:
    const std::uint32_t* header_ = nullptr;
};

}  // namespace loadstone::store::sqlite
