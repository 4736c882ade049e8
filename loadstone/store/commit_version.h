#pragma once
// CommitVersion: what a Database may also be (dynamic_cast): one that can tell, without asking the
// database, that nobody has committed. SQLite is: every commit of every process rewrites the header
// of the memory that all share. PostgreSQL is not.

#include <array>
#include <cstdint>
#include <optional>

namespace loadstone::store {

class CommitVersion {
public:
    // Two that are equal: nothing was committed, by any process, between the two calls. What reads
    // after a call sees all that was committed before it.
    using Version = std::array<std::uint32_t, 12>;

    // From a loop. Nothing: it cannot be told, as before the loop's first read.
    virtual std::optional<Version> commit_version() = 0;

protected:
    ~CommitVersion() = default;
};

}  // namespace loadstone::store
