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

SharedJob held_job(StoredJob stored, ExtraReader& reader) {
    static const SharedExtra none = std::make_shared<const Extra>();
    HeldJob job;
    job.extra = reader.read(stored.extra);
    job.is_readable = job.extra != nullptr;
    job.stored = std::move(stored);
    if (!job.is_readable) {
        log::error("what a job holds of limits and whom it concerns cannot be read",
                   {{"job", job.stored.id}, {"error", reader.last_error()}});
        job.stored.extra.clear();
        job.extra = none;
    }
    return std::make_shared<const HeldJob>(std::move(job));
}

}  // namespace loadstone::jobs::internal
