#pragma once
// UnnamedFile: a file without a name in a folder, so that nothing is left of it whoever is killed.

#include <string>
#include <utility>

namespace loadstone::analytics::internal {

class UnnamedFile {
public:
    UnnamedFile() = default;  // none
    // The folder is made if it is not there. Errors: unavailable.
    explicit UnnamedFile(const std::string& folder);
    UnnamedFile(UnnamedFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UnnamedFile& operator=(UnnamedFile&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~UnnamedFile();

    int fd() const noexcept { return fd_; }
    // By which this process opens it, as long as this object lives.
    std::string path() const;

private:
    int fd_ = -1;
};

}  // namespace loadstone::analytics::internal
