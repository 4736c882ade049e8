#include "loadstone/runtime/internal/span_executor.h"

#include "loadstone/base/assert.h"

namespace loadstone::runtime::internal {

static_assert(sizeof(SpanExecutor<LoopExecutor>) <= 3 * sizeof(void*) &&
                  std::is_nothrow_move_constructible_v<SpanExecutor<LoopExecutor>>,
              "it must fit the small buffer of any_io_executor");

LoopExecutor loop_executor(const boost::asio::any_io_executor& executor) {
    if (const auto* spanned = executor.target<SpanExecutor<LoopExecutor>>()) {
        return spanned->inner();
    }
    const auto* plain = executor.target<LoopExecutor>();
    LOADSTONE_ASSERT(plain != nullptr, "a task runs on an executor of Loops");
    return *plain;
}

}  // namespace loadstone::runtime::internal
