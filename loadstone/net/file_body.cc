#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "loadstone/base/error.h"
#include "loadstone/net/body_stream.h"
#include "loadstone/runtime/lane.h"

namespace loadstone::net {

namespace {

std::string reason_of_errno(int code) { return std::generic_category().message(code); }

class FileBody final : public BodyStream {
public:
    FileBody(int file, std::uint64_t size) noexcept : file_(file), size_(size) {}
    ~FileBody() override { ::close(file_); }
    FileBody(const FileBody&) = delete;
    FileBody& operator=(const FileBody&) = delete;

    std::uint64_t size() const noexcept override { return size_; }
    Task<std::size_t> read(Context& context, std::span<char> space) override;

private:
    std::size_t read_now(std::span<char> space) const;

    const int file_;
    const std::uint64_t size_;
    std::uint64_t at_ = 0;
};

// Waits for the disk.
std::size_t FileBody::read_now(std::span<char> space) const {
    for (;;) {
        const ssize_t got = ::pread(file_, space.data(), space.size(), static_cast<off_t>(at_));
        if (got > 0) return static_cast<std::size_t>(got);
        if (got == 0)
            throw Error(Errc::data_loss,
                        fmt::format("a file of {} bytes ends after {}", size_, at_));
        if (errno != EINTR)
            throw Error(Errc::unavailable, "a file cannot be read: " + reason_of_errno(errno));
    }
}

Task<std::size_t> FileBody::read(Context& context, std::span<char> space) {
    space =
        space.first(static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), size_ - at_)));
    iovec part{space.data(), space.size()};
    const ssize_t cached = ::preadv2(file_, &part, 1, static_cast<off_t>(at_), RWF_NOWAIT);
    std::size_t got = 0;
    if (cached > 0) {
        got = static_cast<std::size_t>(cached);
    } else if (const auto* cpu = context.services().find<runtime::CpuLane>()) {
        auto work = [this, space] { return read_now(space); };
        got = co_await cpu->lane.run(context, work);
    } else {
        got = read_now(space);
    }
    at_ += got;
    co_return got;
}

}  // namespace

std::shared_ptr<BodyStream> file_body(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        const int code = errno;
        throw Error(code == ENOENT ? Errc::not_found : Errc::unavailable,
                    "a file cannot be opened: " + reason_of_errno(code));
    }
    struct stat about{};
    const bool is_known = ::fstat(file, &about) == 0;
    if (!is_known || !S_ISREG(about.st_mode)) {
        ::close(file);
        throw Error(Errc::unavailable, "what is at a file's place is no file");
    }
    return std::make_shared<FileBody>(file, static_cast<std::uint64_t>(about.st_size));
}

}  // namespace loadstone::net
