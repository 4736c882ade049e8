#pragma once
// FunctionRef<R(A...)>: a borrowed callable, two words, no allocation. The callable must outlive
// the call that it is passed to.

#include <memory>
#include <type_traits>
#include <utility>

namespace loadstone {

template <class Signature>
class FunctionRef;

template <class R, class... A>
class FunctionRef<R(A...)> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
                 std::is_invocable_r_v<R, F&, A...>)
    FunctionRef(F&& callable) noexcept
        // reinterpret_cast, so that a plain function goes too (POSIX: dlsym relies on it).
        : object_(const_cast<void*>(reinterpret_cast<const void*>(std::addressof(callable)))),
          call_([](void* object, A... arguments) -> R {
              auto& target = *reinterpret_cast<std::add_pointer_t<F>>(object);
              if constexpr (std::is_void_v<R>) {
                  static_cast<void>(target(std::forward<A>(arguments)...));
              } else {
                  return target(std::forward<A>(arguments)...);
              }
          }) {}

    R operator()(A... arguments) const { return call_(object_, std::forward<A>(arguments)...); }

private:
    void* object_;
    R (*call_)(void*, A...);
};

}  // namespace loadstone
