#include "campus/reports/report_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "loadstone/base/error.h"

namespace campus::reports {

using namespace loadstone;

namespace {

constexpr std::string_view part_ending = ".part";

[[noreturn]] void fail(std::string_view what) {
    const int code = errno;
    throw Error(Errc::unavailable, fmt::format("a report's file cannot be {}: {}", what,
                                               std::generic_category().message(code)));
}

class File {
public:
    explicit File(int file) noexcept : file_(file) {}
    ~File() {
        if (file_ >= 0) ::close(file_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int get() const noexcept { return file_; }

private:
    const int file_;
};

void write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) fail("written");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

bool copy(int from, int to, std::uint64_t bytes) {
    std::array<char, 64 * 1024> piece;
    while (bytes > 0) {
        const ssize_t got =
            ::read(from, piece.data(), std::min<std::uint64_t>(piece.size(), bytes));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("read");
        if (got == 0) return false;
        write_all(to, std::string_view(piece.data(), static_cast<std::size_t>(got)));
        bytes -= static_cast<std::uint64_t>(got);
    }
    return true;
}

}  // namespace

ReportFile::ReportFile(std::string folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)) {
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    file_ = ::open(part_path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file_ < 0) fail("made");
}

ReportFile::~ReportFile() { ::close(file_); }

std::string ReportFile::part_path() const {
    return fmt::format("{}/{}{}", folder_, name_, part_ending);
}

bool ReportFile::copy_from(const std::string& name, std::uint64_t bytes) {
    const std::string path = fmt::format("{}/{}{}", folder_, name, part_ending);
    const File from(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const bool is_whole = from.get() >= 0 && copy(from.get(), file_, bytes);
    if (!is_whole && (::ftruncate(file_, 0) != 0 || ::lseek(file_, 0, SEEK_SET) != 0))
        fail("emptied");
    if (::fdatasync(file_) != 0) fail("written to the disk");
    return is_whole;
}

void ReportFile::append(std::string_view text) {
    write_all(file_, text);
    if (::fdatasync(file_) != 0) fail("written to the disk");
}

void ReportFile::publish() {
    if (::fsync(file_) != 0) fail("written to the disk");
    const std::string path = folder_ + "/" + name_;
    if (::rename(part_path().c_str(), path.c_str()) != 0) fail("named");
    const File folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::fsync(folder.get()) != 0) fail("named on the disk");
}

bool is_published(const std::string& folder, const std::string& name, std::uint64_t bytes) {
    std::error_code failed;
    const auto size = std::filesystem::file_size(folder + "/" + name, failed);
    return !failed && size == bytes;
}

void remove_report_file(const std::string& folder, const std::string& name) noexcept {
    if (name.empty()) return;
    const std::string path = folder + "/" + name;
    ::unlink(path.c_str());
    ::unlink((path + std::string(part_ending)).c_str());
}

int remove_stale_files(const std::string& folder, std::chrono::seconds unfinished,
                       std::chrono::seconds finished) {
    std::error_code failed;
    int removed = 0;
    const auto now = std::filesystem::file_time_type::clock::now();
    for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
         at.increment(failed)) {
        const bool is_part = at->path().extension() == part_ending;
        std::error_code gone;
        const auto written = at->last_write_time(gone);
        if (gone || now - written < (is_part ? unfinished : finished)) continue;
        if (std::filesystem::remove(at->path(), gone)) ++removed;
    }
    return removed;
}

}  // namespace campus::reports
