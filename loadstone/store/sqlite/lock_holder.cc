#include "loadstone/store/sqlite/lock_holder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <fstream>

namespace loadstone::store::sqlite {

namespace {

constexpr off_t write_lock_byte = 120;  // WAL_WRITE_LOCK

std::string name_of_program(pid_t process) {
    std::string name;
    std::ifstream file(fmt::format("/proc/{}/comm", process));
    std::getline(file, name);
    return name;
}

}  // namespace

std::optional<LockHolder> write_lock_holder(const std::string& path) {
    const int fd = open((path + "-shm").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = write_lock_byte;
    lock.l_len = 1;
    const bool is_told = fcntl(fd, F_GETLK, &lock) == 0;
    close(fd);
    // 0: of a process that cannot be seen from here, as from another container.
    if (!is_told || lock.l_type == F_UNLCK || lock.l_pid < 0) return std::nullopt;
    return LockHolder{lock.l_pid, lock.l_pid > 0 ? name_of_program(lock.l_pid) : std::string()};
}

}  // namespace loadstone::store::sqlite
