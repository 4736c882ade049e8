#include "loadstone/store/postgres/internal/canceller.h"

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "loadstone/base/log.h"

namespace loadstone::store::postgres {

struct Canceller::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<PGcancel>> queue;
    int threads = 0;
    int idle = 0;
    bool stop = false;
};

Canceller::Canceller(telemetry::Registry& registry)
    : shared_(std::make_shared<Shared>()),
      sent_(registry.counter("loadstone_postgres_cancels_total", "",
                             "Statements that the server was asked to cancel")),
      dropped_(registry.counter("loadstone_postgres_cancels_dropped_total", "",
                                "Cancel requests given up because too many were waiting")) {}

Canceller::~Canceller() {
    std::unique_lock lock(shared_->mutex);
    shared_->stop = true;
    shared_->queue.clear();
    shared_->changed.notify_all();
    shared_->changed.wait_for(lock, std::chrono::seconds(1), [&] { return shared_->threads == 0; });
}

void Canceller::cancel(std::shared_ptr<PGcancel> request) {
    const std::scoped_lock lock(shared_->mutex);
    if (shared_->stop || shared_->queue.size() == queue_max) {
        dropped_.add();
        return;
    }
    sent_.add();
    shared_->queue.push_back(std::move(request));
    const auto waiting = static_cast<int>(shared_->queue.size());
    if (shared_->idle < waiting && shared_->threads < threads_max) {
        ++shared_->threads;
        std::thread(&Canceller::run, shared_).detach();
    }
    shared_->changed.notify_all();
}

void Canceller::run(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    for (;;) {
        ++shared->idle;
        shared->changed.wait(lock, [&] { return shared->stop || !shared->queue.empty(); });
        --shared->idle;
        if (shared->stop) break;
        const std::shared_ptr<PGcancel> request = std::move(shared->queue.front());
        shared->queue.pop_front();
        lock.unlock();
        std::array<char, 256> message{};
        if (PQcancel(request.get(), message.data(), message.size()) == 0) {
            log::debug("a statement could not be cancelled", {{"error", message.data()}});
        }
        lock.lock();
    }
    --shared->threads;
    shared->changed.notify_all();
}

}  // namespace loadstone::store::postgres
