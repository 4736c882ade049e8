#include "tests/conformance/jobs_stage.h"

namespace test_kinds {

Stage* stage = nullptr;

void note(loadstone::Context& context, const std::string& text) {
    context.services().get<tests::conformance::Diary>().ran(text);
}

loadstone::Task<void> wait_for_the_end(loadstone::Context& context) {
    const int now = ++stage->running;
    int seen = stage->running_max;
    while (seen < now && !stage->running_max.compare_exchange_weak(seen, now)) {
    }
    while (!stage->may_end && !context.is_cancelled()) {
        const auto soon = loadstone::Deadline::in(std::chrono::milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
        ++stage->waits;
    }
    --stage->running;
    context.throw_if_done("waiting for the end");
}

}  // namespace test_kinds
