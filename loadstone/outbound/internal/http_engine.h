#pragma once
// HttpEngine: one thread with one libcurl multi handle drives all transfers. Connections are kept
// for a while and taken again.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loadstone/outbound/http.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/event.h"

namespace loadstone::outbound::internal {

enum class HttpOutcome : std::uint8_t {
    answered,
    failed,     // not reached, or lost before the end
    too_large,  // header or body
    late,       // at its deadline
    abandoned,
};

// One attempt. Filled by the caller up to `deadline`, then the engine's until `finished` is set.
struct HttpTransfer {
    std::string url;
    std::vector<std::string> header_lines;
    std::size_t body_bytes_max = 0;
    runtime::Deadline deadline = runtime::Deadline::unbounded();

    std::atomic<bool> abandoned{false};
    HttpOutcome outcome = HttpOutcome::failed;
    std::string why;  // if it failed; one line
    HttpResponse response;
    runtime::Event finished;
};

class HttpEngine {
public:
    explicit HttpEngine(const HttpClientOptions& options);
    ~HttpEngine();  // stops
    HttpEngine(const HttpEngine&) = delete;
    HttpEngine& operator=(const HttpEngine&) = delete;

    // Every transfer is finished, at its deadline or at stop() at the latest. The caller bounds
    // their number. From any thread.
    void start(std::shared_ptr<HttpTransfer> transfer);
    // Ends it soon.
    void abandon(HttpTransfer& transfer);
    // Ends all; later ones are not tried. Joins. Idempotent.
    void stop();

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::outbound::internal
