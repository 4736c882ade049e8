#pragma once
// Deadlines: ends a loop's operations at their deadline, or when their context was cancelled,
// within `look_every`. One timer for all of them, armed only while there are any.

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "loadstone/runtime/task.h"
#include "loadstone/store/postgres/internal/operation.h"

namespace loadstone::store::postgres {

class Deadlines : public std::enable_shared_from_this<Deadlines> {
public:
    static constexpr std::chrono::milliseconds look_every{10};

    // `looked` is called at each look; it says whether it wants another one.
    explicit Deadlines(const runtime::Executor& executor) : timer_(executor) {}
    void on_look(std::function<bool()> looked) { looked_ = std::move(looked); }

    void add(Operation& operation);
    // Asks for a look although there may be no operation.
    void watch();
    // No look after it; operations that are still there fail as unavailable.
    void close();
    bool is_closed() const noexcept { return is_closed_; }

private:
    void arm(Deadline::Clock::time_point instant);
    void look();

    boost::asio::steady_timer timer_;
    DeadlineList operations_;
    std::function<bool()> looked_;
    Deadline::Clock::time_point armed_for_ = Deadline::Clock::time_point::max();
    bool is_closed_ = false;
};

}  // namespace loadstone::store::postgres
