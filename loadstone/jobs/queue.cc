#include "loadstone/jobs/queue.h"

#include <algorithm>
#include <utility>

#include "loadstone/base/assert.h"

namespace loadstone::jobs {

namespace internal {

std::string kind_of(std::string_view qualified_type_name) {
    const auto type = qualified_type_name.rfind("::");
    if (type == std::string_view::npos) return std::string(qualified_type_name);
    const auto space = qualified_type_name.rfind("::", type - 1);
    const auto begin = space == std::string_view::npos ? 0 : space + 2;
    std::string kind(qualified_type_name.substr(begin, type - begin));
    kind += '.';
    kind += qualified_type_name.substr(type + 2);
    return kind;
}

}  // namespace internal

Queue::Queue(std::vector<std::unique_ptr<Kind>> kinds, store::Database& database,
             telemetry::Registry& registry)
    : kinds_(std::move(kinds)), database_(&database) {
    std::sort(kinds_.begin(), kinds_.end(),
              [](const auto& a, const auto& b) { return a->name < b->name; });
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
        LOADSTONE_ASSERT(i == 0 || kinds_[i - 1]->name != kinds_[i]->name,
                         "one handler for a job kind");
        Kind& kind = *kinds_[i];
        kind.label = registry.add_label(telemetry::LabelKind::job, kind.name, kind.module);
        kind.label_name = kind.name;
    }
}

const Kind* Queue::find(std::string_view name) const noexcept {
    const auto found =
        std::lower_bound(kinds_.begin(), kinds_.end(), name,
                         [](const auto& kind, std::string_view key) { return kind->name < key; });
    return found != kinds_.end() && (*found)->name == name ? found->get() : nullptr;
}

void Queue::wake() {
    {
        const std::lock_guard lock(mutex_);
        if (on_wake_) on_wake_();
    }
    database_->notify(wake_channel);
}

void Queue::on_wake(std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    on_wake_ = std::move(action);
}

}  // namespace loadstone::jobs
