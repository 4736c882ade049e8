#include "loadstone/base/error.h"

#include <array>
#include <new>
#include <utility>

namespace loadstone {

namespace {

constexpr std::array<std::pair<Errc, std::string_view>, 12> names{{
    {Errc::invalid_argument, "invalid_argument"},
    {Errc::unauthenticated, "unauthenticated"},
    {Errc::permission_denied, "permission_denied"},
    {Errc::not_found, "not_found"},
    {Errc::already_exists, "already_exists"},
    {Errc::conflict, "conflict"},
    {Errc::resource_exhausted, "resource_exhausted"},
    {Errc::deadline_exceeded, "deadline_exceeded"},
    {Errc::cancelled, "cancelled"},
    {Errc::unavailable, "unavailable"},
    {Errc::data_loss, "data_loss"},
    {Errc::internal, "internal"},
}};

}  // namespace

std::string_view to_string(Errc code) noexcept {
    return names[static_cast<std::size_t>(code)].second;
}

Error error_from_exception(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return Error(Errc::unavailable, "out of memory");
    } catch (const std::exception& other) {
        return Error(Errc::internal, other.what());
    } catch (...) {
        return Error(Errc::internal, "an exception of unknown type");
    }
}

}  // namespace loadstone
