#include "loadstone/outbound/internal/mail_metrics.h"

namespace loadstone::outbound::internal {

namespace {

telemetry::Counter& not_tried(telemetry::Registry& registry, std::string_view why) {
    return registry.counter("loadstone_mail_not_tried_total", telemetry::metric_label("why", why),
                            "Mails that were turned back before an attempt");
}

telemetry::Counter& with_outcome(telemetry::Registry& registry, std::string_view outcome) {
    return registry.counter("loadstone_mail_total", telemetry::metric_label("outcome", outcome),
                            "Attempts to send a mail by how they ended");
}

}  // namespace

MailMetrics::MailMetrics(telemetry::Registry& registry)
    : queue_full(not_tried(registry, "queue_full")),
      out_of_time(not_tried(registry, "out_of_time")),
      breaker_open(not_tried(registry, "breaker_open")),
      registry_(registry),
      outcomes_{&with_outcome(registry, "sent"), &with_outcome(registry, "deferred"),
                &with_outcome(registry, "rejected"), &with_outcome(registry, "unknown")} {
    registry_.gauge(this, "loadstone_mail_waiting", "",
                    "Mails that wait for a connection or for the provider's rate",
                    [this] { return static_cast<double>(waiting.load()); });
    registry_.gauge(this, "loadstone_mail_in_flight", "", "Mails that are being handed over",
                    [this] { return static_cast<double>(in_flight.load()); });
}

MailMetrics::~MailMetrics() { registry_.remove_gauges(this); }

}  // namespace loadstone::outbound::internal
