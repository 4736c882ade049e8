#include "loadstone/store/postgres/internal/deadlines.h"

#include "loadstone/store/postgres/internal/pipeline.h"

namespace loadstone::store::postgres {

void Deadlines::add(Operation& operation) {
    if (is_closed_) {
        operation.fail(unavailable("the store has been stopped"));
        operation.end();
        return;
    }
    operations_.push_back(operation);
    const auto instant = operation.deadline.instant();
    if (armed_for_ == Deadline::Clock::time_point::max()) {
        arm(std::min(instant, Deadline::Clock::now() + look_every));
    } else if (instant < armed_for_) {
        arm(instant);
    }
}

void Deadlines::watch() {
    if (!is_closed_ && armed_for_ == Deadline::Clock::time_point::max()) {
        arm(Deadline::Clock::now() + look_every);
    }
}

void Deadlines::close() {
    is_closed_ = true;
    timer_.cancel();
    looked_ = nullptr;
    while (!operations_.empty()) {
        Operation& operation = operations_.front();
        operation.fail(unavailable("the store has been stopped"));
        operation.end();
    }
}

void Deadlines::arm(Deadline::Clock::time_point instant) {
    armed_for_ = instant;
    timer_.expires_at(instant);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error && !self->is_closed_) self->look();
    });
}

void Deadlines::look() {
    armed_for_ = Deadline::Clock::time_point::max();
    const auto now = Deadline::Clock::now();
    auto next = now + look_every;
    for (auto at = operations_.begin(); at != operations_.end();) {
        Operation& operation = *at++;
        if (operation.pipeline != nullptr) operation.pipeline->poke();
        const bool cancelled = operation.heeds_cancellation && operation.context.is_cancelled();
        if (cancelled || operation.deadline.instant() <= now) {
            operation.expire(cancelled);
        } else if (operation.is_over_time()) {
            operation.expire_over_time();
        } else {
            next = std::min(next, operation.deadline.instant());
        }
    }
    const bool again = looked_ && looked_();
    // An operation that began meanwhile may have armed the timer.
    if ((again || !operations_.empty()) && next < armed_for_) arm(next);
}

}  // namespace loadstone::store::postgres
