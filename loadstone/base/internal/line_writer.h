#pragma once
// Whole lines to a descriptor whose reader may be slow, stuck or gone, without ever waiting for
// it.
//
// The descriptor may be shared with other processes, so its flags stay as they are: O_NONBLOCK
// would be theirs too. A socket takes MSG_DONTWAIT; a pipe takes RWF_NOWAIT (Linux 6.4), before
// that at most PIPE_BUF bytes right after poll(2) found room; a terminal is asked by poll(2); a
// regular file waits for nothing but its disk. Where a pipe takes a part of a line, the rest goes
// out before the next line.

#include <cstddef>
#include <string>
#include <string_view>

namespace loadstone::internal {

// One thread at a time.
class LineWriter {
public:
    static constexpr std::size_t line_bytes_max = 64 * 1024;

    explicit LineWriter(int descriptor) noexcept : descriptor_(descriptor) {}

    // False if the line is lost: no room for any of it, over line_bytes_max, or a failed write.
    bool write(std::string_view line);

private:
    // Writes what goes and removes it from `text`; false if some is left.
    bool put(std::string_view& text) const noexcept;

    int descriptor_;
    std::string rest_;  // of a line of which the beginning is out
};

}  // namespace loadstone::internal
