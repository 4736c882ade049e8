#pragma once
// SpanExecutor: an executor of a loop that brackets everything it runs with a slice of a SpanSlot.
// `Inner` is io_context::executor_type with any of its property bits; two words, so that it fits
// the small buffer of any_io_executor and copying it never allocates.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <type_traits>
#include <utility>

#include "loadstone/runtime/internal/loop_meter.h"

namespace loadstone::runtime::internal {

template <class Function>
struct Slice {
    Function function;
    SpanSlot* slot;

    void operator()() {
        SliceScope scope(slot);
        std::move(function)();
    }
};

template <class Inner>
class SpanExecutor {
public:
    SpanExecutor(Inner inner, SpanSlot* slot) noexcept : inner_(std::move(inner)), slot_(slot) {}

    const Inner& inner() const noexcept { return inner_; }

    template <class Property>
    auto query(const Property& property) const noexcept
        -> decltype(boost::asio::query(std::declval<const Inner&>(), property)) {
        return boost::asio::query(inner_, property);
    }
    template <class Property>
    auto require(const Property& property) const -> SpanExecutor<
        std::decay_t<decltype(boost::asio::require(std::declval<const Inner&>(), property))>> {
        return {boost::asio::require(inner_, property), slot_};
    }

    template <class Function>
    void execute(Function&& function) const {
        inner_.execute(Slice<std::decay_t<Function>>{std::forward<Function>(function), slot_});
    }

    friend bool operator==(const SpanExecutor& a, const SpanExecutor& b) noexcept {
        return a.slot_ == b.slot_ && a.inner_ == b.inner_;
    }
    friend bool operator!=(const SpanExecutor& a, const SpanExecutor& b) noexcept {
        return !(a == b);
    }

private:
    Inner inner_;
    SpanSlot* slot_;
};

using LoopExecutor = boost::asio::io_context::executor_type;

// The loop's own executor behind what a task runs on: for what may run after the task and its slot
// are gone. Asserts that it is an executor of Loops or of a plain io_context.
LoopExecutor loop_executor(const boost::asio::any_io_executor& executor);

}  // namespace loadstone::runtime::internal
