#include "loadstone/base/internal/line_writer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace loadstone::internal {

namespace {

// A reader that is gone is an error here and no SIGPIPE.
bool has_room(int descriptor) noexcept {
    pollfd wanted{.fd = descriptor, .events = POLLOUT, .revents = 0};
    return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLOUT) != 0 &&
           (wanted.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

ssize_t write_to_pipe(int descriptor, std::string_view text) noexcept {
    iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    const ssize_t written = ::pwritev2(descriptor, &part, 1, -1, RWF_NOWAIT);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return written;
    return ::write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

ssize_t write_some(int descriptor, std::string_view text) noexcept {
    struct stat status{};
    if (!has_room(descriptor) || ::fstat(descriptor, &status) != 0) {
        errno = EAGAIN;
        return -1;
    }
    if (S_ISFIFO(status.st_mode)) return write_to_pipe(descriptor, text);
    if (S_ISSOCK(status.st_mode)) {
        return ::send(descriptor, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return ::write(descriptor, text.data(), text.size());
}

}  // namespace

bool LineWriter::put(std::string_view& text) const noexcept {
    while (!text.empty()) {
        const ssize_t written = write_some(descriptor_, text);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool LineWriter::write(std::string_view line) {
    if (line.size() > line_bytes_max) return false;
    std::string_view rest = rest_;
    const bool is_free = put(rest);
    rest_.erase(0, rest_.size() - rest.size());
    if (!is_free) return false;
    const std::size_t bytes = line.size();
    if (put(line)) return true;
    if (line.size() == bytes) return false;
    rest_ = line;
    return true;
}

}  // namespace loadstone::internal
