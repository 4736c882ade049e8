#include "loadstone/runtime/cpu.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace loadstone::runtime {

namespace {

// "0::/system.slice/campus.service" -> "/system.slice/campus.service"
std::string own_cgroup() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("0::/")) return line.substr(3);
    }
    return {};
}

// The narrowest quota from the process's cgroup up to the root; 0 without one.
int cores_of_cgroups() {
    std::filesystem::path group = own_cgroup();
    int cores = 0;
    while (!group.empty()) {
        std::ifstream file("/sys/fs/cgroup" / group.relative_path() / "cpu.max");
        std::string line;
        if (std::getline(file, line)) {
            const int found = internal::cores_of_quota(line);
            if (found > 0) cores = cores == 0 ? found : std::min(cores, found);
        }
        if (group == group.root_path()) break;
        group = group.parent_path();
    }
    return cores;
}

int cores_of_affinity() {
    // More than 1,024 CPUs do not fit the set: then the call fails.
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

namespace internal {

int cores_of_quota(std::string_view cpu_max) noexcept {
    long long quota_us = 0;
    long long period_us = 0;
    const char* const end = cpu_max.data() + cpu_max.size();
    const auto quota = std::from_chars(cpu_max.data(), end, quota_us);
    if (quota.ec != std::errc() || quota.ptr == end || *quota.ptr != ' ') return 0;
    const auto period = std::from_chars(quota.ptr + 1, end, period_us);
    if (period.ec != std::errc() || quota_us <= 0 || period_us <= 0) return 0;
    return static_cast<int>(std::min((quota_us + period_us - 1) / period_us, 1'024LL));
}

}  // namespace internal

int usable_cores() {
    const int affinity = std::max(1, cores_of_affinity());
    const int quota = cores_of_cgroups();
    return quota == 0 ? affinity : std::min(affinity, quota);
}

void run_in_background() noexcept {
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);
}

}  // namespace loadstone::runtime
