#pragma once
// What both mailers count.

#include <array>
#include <atomic>
#include <cstdint>

#include "loadstone/outbound/mail.h"

namespace loadstone::outbound::internal {

class MailMetrics {
public:
    explicit MailMetrics(telemetry::Registry& registry);
    ~MailMetrics();
    MailMetrics(const MailMetrics&) = delete;
    MailMetrics& operator=(const MailMetrics&) = delete;

    void count(MailOutcome outcome) noexcept {
        outcomes_[static_cast<std::size_t>(outcome)]->add();
    }

    // Why a mail was not tried at all.
    telemetry::Counter& queue_full;
    telemetry::Counter& out_of_time;
    telemetry::Counter& breaker_open;

    // One more in `gauge` for as long as it lives.
    class Scope {
    public:
        explicit Scope(std::atomic<std::int64_t>& gauge) noexcept : gauge_(gauge) {
            gauge_.fetch_add(1, std::memory_order_relaxed);
        }
        ~Scope() { gauge_.fetch_sub(1, std::memory_order_relaxed); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        std::atomic<std::int64_t>& gauge_;
    };
    std::atomic<std::int64_t> waiting{0};
    std::atomic<std::int64_t> in_flight{0};

private:
    telemetry::Registry& registry_;
    std::array<telemetry::Counter*, 4> outcomes_;
};

}  // namespace loadstone::outbound::internal
