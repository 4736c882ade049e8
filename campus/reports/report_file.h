#pragma once
// The files of reports: FOLDER/NAME while one is written has ".part" at its end. Everything here
// waits for the disk: it is for the CPU lane. Errors: unavailable, so that a full disk puts a
// report off.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace campus::reports {

class ReportFile {
public:
    // `folder` is made if it is not there; in it nothing is under `name` yet.
    ReportFile(std::string folder, std::string name);
    ~ReportFile();
    ReportFile(const ReportFile&) = delete;
    ReportFile& operator=(const ReportFile&) = delete;

    // Begins with a copy of the first `bytes` that another attempt has written under `name`: a
    // process that only seems dead goes on writing there, and not here. On the disk when it
    // returns. False if there are not as many; then it begins empty.
    bool copy_from(const std::string& name, std::uint64_t bytes);
    // At the end; on the disk when it returns.
    void append(std::string_view text);
    // All of it is there under its name, on the disk.
    void publish();
    const std::string& name() const noexcept { return name_; }

private:
    std::string part_path() const;

    const std::string folder_, name_;
    int file_ = -1;
};

// Does a finished one with so many bytes exist?
bool is_published(const std::string& folder, const std::string& name, std::uint64_t bytes);
// Of one that is finished or not; that it is not there is no error.
void remove_report_file(const std::string& folder, const std::string& name) noexcept;
// Those that nobody has written to for so long, unfinished and finished; gives how many.
int remove_stale_files(const std::string& folder, std::chrono::seconds unfinished,
                       std::chrono::seconds finished);

}  // namespace campus::reports
