#include "loadstone/jobs/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "loadstone/jobs/handlers.h"
#include "loadstone/jobs/internal/storable.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

constexpr std::size_t note_bytes_max = 500;

[[noreturn]] void throw_lease_lost() {
    throw Error(Errc::cancelled, "the lease of this job was lost: another process has it");
}

// The same run would come to the same: it is no use to try again.
void check_step_bytes(std::string_view kind, const std::string& name, std::size_t bytes,
                      std::size_t bytes_max) {
    if (bytes > bytes_max)
        throw Error(Errc::invalid_argument,
                    fmt::format("{} saves a step \"{}\" of {} bytes, more than {}", kind, name,
                                bytes, bytes_max));
}

}  // namespace

Task<void> complete(Tx& tx, const Lease& lease) {
    std::optional<std::string> result;
    if (lease.notes != nullptr && !lease.notes->result().empty()) result = lease.notes->result();
    const auto done =
        co_await tx.exec(sql::complete_job, lease.batch, lease.job, lease.process, result);
    if (done == 0) throw_lease_lost();
}

Task<void> save_step_json(Tx& tx, const Lease& lease, const std::string& name,
                          const std::string& value) {
    if (lease.notes != nullptr) {
        lease.notes->check_step(name, value.size());
    } else {
        check_step_bytes("a job", name, value.size(), Policy{}.step_bytes_max);
    }
    const auto held =
        co_await tx.maybe<std::int64_t>(sql::hold_job, lease.batch, lease.process, lease.job);
    if (!held) throw_lease_lost();
    if (lease.notes != nullptr) lease.notes->step_was_saved();
    co_await tx.exec(sql::save_step, lease.job, name, value);
}

Task<std::optional<std::string>> saved_step_json(Reader reader, std::int64_t job,
                                                 const std::string& name) {
    co_return co_await reader.maybe<std::string>(sql::step, job, name);
}

Task<std::optional<std::string>> result_json(Reader reader, std::int64_t job,
                                             const std::string& name) {
    co_return co_await reader.maybe<std::string>(sql::result, job, name);
}

Error snooze(std::chrono::milliseconds time) {
    return Error(Errc::cancelled, "put off by its handler").with_retry_after(time);
}

void RunNotes::begin(const Kind& kind) {
    kind_ = &kind;
    const std::lock_guard lock(mutex_);
    progress_ = {};
    changed_ = is_stored_ = false;
    result_.clear();
}

void RunNotes::report(double fraction, std::string note) {
    note = internal::storable(note, note_bytes_max);
    const double shown = std::isnan(fraction) ? 0 : std::clamp(fraction, 0.0, 1.0);
    const std::lock_guard lock(mutex_);
    progress_ = {shown, std::move(note)};
    changed_ = true;
}

void RunNotes::give_result(std::string json) {
    const std::size_t bytes_max = kind_->policy.result_bytes_max;
    if (json.size() > bytes_max)
        throw Error(Errc::invalid_argument,
                    fmt::format("{} gives a result of {} bytes, more than {}", kind_->name,
                                json.size(), bytes_max));
    const std::lock_guard lock(mutex_);
    result_ = std::move(json);
}

std::optional<RunNotes::Progress> RunNotes::take_progress() {
    const std::lock_guard lock(mutex_);
    if (!changed_) return std::nullopt;
    changed_ = false;
    is_stored_ = true;
    return progress_;
}

std::string RunNotes::result() {
    const std::lock_guard lock(mutex_);
    return result_;
}

void RunNotes::check_step(const std::string& name, std::size_t bytes) const {
    check_step_bytes(kind_->name, name, bytes, kind_->policy.step_bytes_max);
}

void RunNotes::step_was_saved() {
    const std::lock_guard lock(mutex_);
    is_stored_ = true;
}

bool RunNotes::is_stored() {
    const std::lock_guard lock(mutex_);
    return is_stored_;
}

}  // namespace loadstone::jobs
