#pragma once
// The doors of Context to the store: context.reader() and context.write(command, arguments...).

#include <functional>
#include <tuple>
#include <type_traits>

#include "loadstone/base/json.h"
#include "loadstone/runtime/context.h"
#include "loadstone/store/database.h"

namespace loadstone::store {

namespace internal {

template <class T>
struct TaskValue;
template <class T>
struct TaskValue<Task<T>> {
    using type = T;
};

// How the result of a write is kept under an Idempotency-Key.
struct ResultCodec {
    FunctionRef<std::string()> encode;
    FunctionRef<void(std::string_view)> decode;
};

// transact(), or under the context's Idempotency-Key the recorded result (store/idempotency.cc).
Task<void> write_once(Context& context, TxBody body, ResultCodec codec);

template <class Command, class Result, class Tuple>
Task<void> run_command(Tx& tx, Command command, std::optional<Result>* result, Tuple arguments) {
    auto call = [&](const auto&... a) { return command(tx, a...); };
    Task<Result> task = std::apply(call, arguments);
    result->emplace(co_await std::move(task));
}

template <class Command, class Tuple>
Task<void> run_void_command(Tx& tx, Command command, Tuple arguments) {
    auto call = [&](const auto&... a) { return command(tx, a...); };
    Task<void> task = std::apply(call, arguments);
    co_await std::move(task);
}

template <class Result, class Command, class... Arguments>
Task<Result> write_command(Context& context, Command command, std::tuple<Arguments...> arguments) {
    if constexpr (std::is_void_v<Result>) {
        TxBody body = [&](Tx& tx) { return run_void_command(tx, command, arguments); };
        auto encode = [] { return std::string("null"); };
        auto decode = [](std::string_view) {};
        const ResultCodec codec{encode, decode};
        co_await write_once(context, std::move(body), codec);
    } else {
        std::optional<Result> result;
        TxBody body = [&](Tx& tx) { return run_command(tx, command, &result, arguments); };
        auto encode = [&] { return to_json(*result); };
        auto decode = [&](std::string_view text) {
            result.emplace(value_or_throw(from_json<Result>(text, stored_json)));
        };
        const ResultCodec codec{encode, decode};
        co_await write_once(context, std::move(body), codec);
        co_return std::move(*result);
    }
}

}  // namespace internal

}  // namespace loadstone::store

namespace loadstone::runtime {

template <class Command, class... Arguments>
auto Context::write(Command command, const Arguments&... arguments) {
    using Result = typename store::internal::TaskValue<
        std::invoke_result_t<Command&, store::Tx&, const Arguments&...>>::type;
    return store::internal::write_command<Result>(
        *this, std::move(command), std::tuple<std::decay_t<const Arguments&>...>(arguments...));
}

}  // namespace loadstone::runtime
