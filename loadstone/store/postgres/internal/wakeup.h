#pragma once
// Wakeup: where one coroutine waits until another part of its loop wakes it. No allocation beyond
// that of the awaitable; single-threaded, on the loop of the waiting coroutine.
//
// It lives in the frame of the waiting coroutine and holds the handler that owns the frame, so
// whoever promises to wake must do so before the loop ends.

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "loadstone/base/assert.h"

namespace loadstone::store::postgres {

class Wakeup {
public:
    Wakeup() = default;
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    ~Wakeup() {
        if (destroy_ != nullptr) destroy_(handler_);
    }

    // Ends at the next wake(), or at once if one came since the last wait. One waits at a time.
    auto wait() {
        const Initiation initiation{this};
        return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
            initiation, boost::asio::use_awaitable);
    }

    void wake() {
        if (post_ == nullptr) {
            is_woken_ = true;
            return;
        }
        destroy_ = nullptr;
        std::exchange(post_, nullptr)(handler_);
    }

private:
    static constexpr std::size_t handler_bytes_max = 32;

    struct Initiation {
        Wakeup* wakeup;
        template <class Handler>
        void operator()(Handler&& handler) const {
            wakeup->hold(std::forward<Handler>(handler));
        }
    };

    template <class Handler>
    static void post_handler(void* held) {
        auto* handler = static_cast<Handler*>(held);
        Handler moved(std::move(*handler));
        handler->~Handler();
        auto executor = boost::asio::get_associated_executor(moved);
        boost::asio::post(executor, std::move(moved));
    }

    template <class Handler>
    void hold(Handler&& handler) {
        using Held = std::decay_t<Handler>;
        static_assert(sizeof(Held) <= handler_bytes_max && alignof(Held) <= alignof(void*));
        LOADSTONE_ASSERT(post_ == nullptr, "one coroutine waits at a time");
        ::new (static_cast<void*>(handler_)) Held(std::forward<Handler>(handler));
        post_ = &post_handler<Held>;
        destroy_ = [](void* held) { static_cast<Held*>(held)->~Held(); };
        if (std::exchange(is_woken_, false)) wake();
    }

    alignas(void*) std::byte handler_[handler_bytes_max];
    void (*post_)(void*) = nullptr;
    void (*destroy_)(void*) = nullptr;
    bool is_woken_ = false;
};

}  // namespace loadstone::store::postgres
