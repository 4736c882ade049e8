#include "loadstone/telemetry/internal/process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

namespace loadstone::telemetry {
namespace {

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size_pages = 0;
    std::uint64_t resident_pages = 0;
    statm >> size_pages >> resident_pages;
    return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t open_fds() {
    // Since Linux 6.2 the folder's size is their number; before, they must be listed.
    struct stat info{};
    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0) {
        return static_cast<std::uint64_t>(info.st_size);
    }
    DIR* folder = opendir("/proc/self/fd");
    if (folder == nullptr) return 0;
    std::uint64_t entries = 0;
    while (readdir(folder) != nullptr) ++entries;
    closedir(folder);
    return entries > 3 ? entries - 3 : 0;  // ".", "..", and the listing's own
}

}  // namespace

ProcessUsage process_usage() {
    ProcessUsage usage;
    timespec cpu{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    usage.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9;
    usage.resident_bytes = resident_bytes();
    usage.open_fds = open_fds();
    rlimit fds{};
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0) usage.fds_max = fds.rlim_cur;
    return usage;
}

}  // namespace loadstone::telemetry
