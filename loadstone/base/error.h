#pragma once
// Outcomes that are failures. Bugs assert (assert.h); foreign exceptions become Errc::internal at
// the task boundary. The set of codes is closed: what HTTP says of a code stands in
// net/error_status.cc, what a job does with it in jobs/retry_policy.cc.

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace loadstone {

enum class Errc {
    invalid_argument,   // the caller's input is wrong; `field` names the part
    unauthenticated,    // nobody is signed in
    permission_denied,  // somebody is, but may not
    not_found,
    already_exists,      // a unique key is taken
    conflict,            // the state does not allow it now; a serialisation failure
    resource_exhausted,  // the caller's own limit (rate, quota) is used up
    deadline_exceeded,
    cancelled,
    unavailable,  // overloaded or down; `retry_after` says when to come back
    data_loss,    // corrupt or undecodable stored data
    internal,     // a foreign exception or a broken expectation
};

std::string_view to_string(Errc code) noexcept;

// Thrown to application code; carried by Result<T> on hot paths.
class Error : public std::exception {
public:
    Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

    Errc code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    const char* what() const noexcept override { return message_.c_str(); }

    // Not before this long from now is a new try worth its cost.
    std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }
    // The input field at fault, as a path ("items[2].name"); empty if none.
    const std::string& field() const noexcept { return field_; }

    Error&& with_retry_after(std::chrono::milliseconds wait) && {
        retry_after_ = wait;
        return std::move(*this);
    }
    Error&& with_field(std::string path) && {
        field_ = std::move(path);
        return std::move(*this);
    }

private:
    Errc code_;
    std::string message_;
    std::optional<std::chrono::milliseconds> retry_after_;
    std::string field_;
};

// Any exception as an Error: an Error as it is, std::bad_alloc as unavailable, others as internal.
// Never throws (short of memory for the message).
Error error_from_exception(const std::exception_ptr& exception);

}  // namespace loadstone
