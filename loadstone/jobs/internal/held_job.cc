#include <utility>

#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/records.h"

namespace loadstone::jobs::internal {

SharedExtra ExtraReader::read(const std::string& text) {
    if (last_ && text == last_text_) return last_;
    auto extra = text.empty() ? Result<Extra>(Extra{}) : from_json<Extra>(text, stored_json);
    if (!extra) {
        last_error_ = extra.error().message();
        return nullptr;
    }
    last_ = std::make_shared<const Extra>(std::move(*extra));
    last_text_ = text;
    return last_;
}

StoredJob HeldJob::to_store() const {
    StoredJob job = stored;
    job.extra = to_text(*extra);
    return job;
}

SharedJob held_job(ClaimedJob job, ExtraReader& reader) {
    static const SharedExtra none = std::make_shared<const Extra>();
    SharedExtra extra = job.held ? std::move(job.held) : reader.read(job.extra);
    const bool is_readable = extra != nullptr;
    if (!is_readable) {
        log::error("what a job holds of limits and whom it concerns cannot be read",
                   {{"job", job.id}, {"error", reader.last_error()}});
        job.extra.clear();
        extra = none;
    }
    SharedLent lent = std::move(job.lent);
    return std::make_shared<const HeldJob>(std::move(job), std::move(extra), std::move(lent),
                                           is_readable);
}

}  // namespace loadstone::jobs::internal
