#include "loadstone/outbound/internal/maildir.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"

namespace loadstone::outbound::internal {

namespace {

constexpr std::size_t name_bytes_max = 180;
constexpr std::time_t tmp_age_max = 36 * 3600;  // what the Maildir description gives a writer

// The descriptor of an open file or folder.
class File {
public:
    File(const std::string& path, int flags, mode_t mode = 0600)
        : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    bool is_open() const noexcept { return descriptor_ >= 0; }
    int descriptor() const noexcept { return descriptor_; }

private:
    int descriptor_;
};

std::string error_text(int code) {
    std::array<char, 128> buffer;
    return ::strerror_r(code, buffer.data(), buffer.size());
}

bool write_all(int descriptor, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

void make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
    throw Error(Errc::unavailable,
                fmt::format("maildir folder {} cannot be made: {}", path, error_text(errno)));
}

void make_folder_with_parents(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        make_folder(path.substr(0, at));
    }
    make_folder(path);
}

struct FolderCloser {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

void remove_old_files(const std::string& path) {
    const std::unique_ptr<DIR, FolderCloser> folder(::opendir(path.c_str()));
    if (folder == nullptr) return;
    const std::time_t now = std::time(nullptr);
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string file = path + "/" + entry->d_name;
        struct stat status{};
        if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
            now - status.st_mtime > tmp_age_max) {
            ::unlink(file.c_str());
        }
    }
}

MailResult delivered() {
    MailResult result;
    result.outcome = MailOutcome::sent;
    return result;
}

MailResult deferred(std::string detail) {
    MailResult result;
    result.detail = std::move(detail);
    return result;
}

}  // namespace

std::string maildir_name(std::string_view message_id) {
    std::string name;
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : message_id) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+' ||
                              c == '@' || (c == '.' && !name.empty());
        if (is_plain) {
            name += c;
        } else {
            name += fmt::format("={:02X}", static_cast<unsigned char>(c));
        }
    }
    if (name.size() > name_bytes_max) {
        name.resize(name_bytes_max);
        name += fmt::format("={:016x}", hash);
    }
    return name;
}

Maildir::Maildir(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    make_folder_with_parents(path_);
    for (const char* folder : {"/tmp", "/new", "/cur"}) make_folder(path_ + folder);
    remove_old_files(path_ + "/tmp");
    tmp_suffix_ = secret_token(12);
}

bool Maildir::is_in_cur(const std::string& name) const {
    // A reader moves new/NAME to cur/NAME:2,FLAGS with any of these, in this order.
    constexpr std::string_view flags = "DFPRST";
    const std::string base = path_ + "/cur/" + name;
    if (::access(base.c_str(), F_OK) == 0) return true;
    for (unsigned set = 0; set < 1U << flags.size(); ++set) {
        std::string file = base + ":2,";
        for (unsigned bit = 0; bit < flags.size(); ++bit) {
            if ((set & 1U << bit) != 0) file += flags[bit];
        }
        if (::access(file.c_str(), F_OK) == 0) return true;
    }
    return false;
}

// The file's path; empty with `fault` if it is not written and synced.
std::string Maildir::write_tmp(const Mail& mail, std::string& fault) {
    std::string path = fmt::format("{}/tmp/{}.{}", path_, tmp_suffix_, ++next_);
    bool written = false;
    int code = 0;
    {
        const File file(path, O_WRONLY | O_CREAT | O_EXCL);
        written = file.is_open() && write_all(file.descriptor(), mail.content) &&
                  ::fsync(file.descriptor()) == 0;
        code = errno;
    }
    if (written) return path;
    ::unlink(path.c_str());
    fault = fmt::format("maildir {}: message of {} bytes not written: {}", path_,
                        mail.content.size(), error_text(code));
    return {};
}

MailResult Maildir::put(const Mail& mail) {
    const std::string path = path_ + "/new/" + mail.name;
    if (::access(path.c_str(), F_OK) == 0 || is_in_cur(mail.name)) return delivered();
    std::string fault;
    const std::string tmp = write_tmp(mail, fault);
    if (tmp.empty()) return deferred(std::move(fault));
    // Unlike rename, link does not replace what another process put there meanwhile.
    const bool linked = ::link(tmp.c_str(), path.c_str()) == 0;
    const int code = errno;
    ::unlink(tmp.c_str());
    if (linked || code == EEXIST) return delivered();
    return deferred(
        fmt::format("maildir {}: message not moved to new/: {}", path_, error_text(code)));
}

std::vector<MailResult> Maildir::deliver(const std::vector<Mail>& mails) {
    std::vector<MailResult> results;
    results.reserve(mails.size());
    for (const Mail& mail : mails) results.push_back(put(mail));
    const File folder(path_ + "/new", O_RDONLY | O_DIRECTORY);
    if (folder.is_open() && ::fsync(folder.descriptor()) == 0) return results;
    const std::string fault =
        fmt::format("maildir {}: new/ not synced: {}", path_, error_text(errno));
    for (MailResult& result : results) {
        if (result.outcome == MailOutcome::sent) result = deferred(fault);
    }
    return results;
}

}  // namespace loadstone::outbound::internal
