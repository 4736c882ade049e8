#pragma once
// Result<T>: a value or an Error, for hot paths where failing is daily bread (admission, parsing,
// limits). Elsewhere an Error is thrown.

#include <tl/expected.hpp>
#include <utility>

#include "loadstone/base/error.h"

namespace loadstone {

template <class T>
using Result = tl::expected<T, Error>;

template <class... Arguments>
tl::unexpected<Error> failure(Arguments&&... arguments) {
    return tl::unexpected<Error>(Error(std::forward<Arguments>(arguments)...));
}

// The value, or the Error thrown.
template <class T>
T value_or_throw(Result<T>&& result) {
    if (!result) throw std::move(result.error());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace loadstone
