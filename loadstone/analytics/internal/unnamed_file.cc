#include "loadstone/analytics/internal/unnamed_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

// Where the file system makes none without a name, it has one for a moment.
int open_in(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    std::string name = folder + "/export-XXXXXX";
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0) ::unlink(name.c_str());
    return named;
}

}  // namespace

UnnamedFile::UnnamedFile(const std::string& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed)
        throw Error(Errc::unavailable,
                    fmt::format("the folder {} cannot be made: {}", folder, failed.message()));
    fd_ = open_in(folder);
    if (fd_ < 0)
        throw Error(Errc::unavailable,
                    fmt::format("no file can be made in {}: {}", folder, std::strerror(errno)));
}

UnnamedFile::~UnnamedFile() {
    if (fd_ >= 0) ::close(fd_);
}

std::string UnnamedFile::path() const { return fmt::format("/proc/self/fd/{}", fd_); }

}  // namespace loadstone::analytics::internal
