#include "loadstone/cache/internal/warm_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/base/sha256.h"

namespace loadstone::cache::internal {

namespace {

constexpr std::string_view magic = "loadstone cache 1 ";
constexpr std::size_t sum_size = 64;

[[noreturn]] void fail(const std::string& path, std::string_view what) {
    const std::string why = std::generic_category().message(errno);
    throw Error(Errc::unavailable, fmt::format("{} could not be {}: {}", path, what, why));
}

class File {
public:
    File(const std::string& path, int flags)
        : file_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (file_ >= 0) ::close(file_);
    }
    int get() const noexcept { return file_; }

private:
    int file_;
};

void write_all(const File& file, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(path, "written");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

std::string this_program() {
    struct stat found{};
    if (::stat("/proc/self/exe", &found) != 0) return {};
    return fmt::format("{}:{}:{}:{}.{}", found.st_dev, found.st_ino, found.st_size,
                       found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
}

std::string this_boot() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

std::int64_t since_boot_us() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

void write_warm_file(const std::string& path, const WarmAnswers& answers) {
    const std::string body = to_json(answers);
    const std::string part = path + ".part";
    ::unlink(part.c_str());  // with a mode of its own
    {
        const File file(part, O_WRONLY | O_CREAT | O_EXCL);
        if (file.get() < 0) fail(part, "made");
        write_all(file, fmt::format("{}{}\n", magic, sha256_hex({body})), part);
        write_all(file, body, part);
        if (::fdatasync(file.get()) != 0) fail(part, "written to the disk");
    }
    if (::rename(part.c_str(), path.c_str()) != 0) fail(path, "named");
}

std::optional<WarmAnswers> take_warm_file(const std::string& path, std::uint64_t bytes_max) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    ::unlink(path.c_str());
    file.seekg(0, std::ios::end);
    const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(file.tellg(), 0));
    if (size > bytes_max)
        throw Error(Errc::data_loss,
                    fmt::format("{}: {} bytes, more than {}", path, size, bytes_max));
    std::string text(size, '\0');
    file.seekg(0);
    file.read(text.data(), static_cast<std::streamsize>(size));
    const std::size_t head = magic.size() + sum_size + 1;
    if (!file || size < head || !text.starts_with(magic))
        throw Error(Errc::data_loss, fmt::format("{}: not of this version", path));
    const std::string body = text.substr(head);
    if (text.substr(magic.size(), sum_size) != sha256_hex({body}))
        throw Error(Errc::data_loss, fmt::format("{}: its checksum is wrong", path));
    auto answers = from_json<WarmAnswers>(body, stored_json);
    if (!answers) throw Error(Errc::data_loss, fmt::format("{}: not of this version", path));
    return std::move(*answers);
}

}  // namespace loadstone::cache::internal
