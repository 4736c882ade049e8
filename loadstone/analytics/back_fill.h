#pragma once
// Back-fill: facts from the tables of the module that owns them, for what was there before facts
// were recorded, for seeded data, or for a store that was lost.
//
//     Task<std::uint64_t> activity_of_courses(Reader, std::int64_t from, std::int64_t end,
//                                             FunctionRef<void(const Activity&)> sink);
//     facts.table<Activity>("learning_activity")
//         .back_filled_by<Activity>("course", activity_of_courses, last_course);
//
// The rule that it rests on: at any commit the tables tell exactly the facts that were recorded up
// to it, member by member. Then what the store must hold of a range of keys, at the position that
// it is at, is what the tables tell in one snapshot less the facts that the same snapshot shows
// waiting behind that position. The feed puts this range of the store in that place, between two
// batches; what waits comes later, as ever. So nothing is lost or doubled while others write, and a
// range that is done again gives the same (ADR 24).

#include <cstdint>
#include <functional>
#include <string>

#include "loadstone/base/function_ref.h"
#include "loadstone/store/reader.h"

namespace loadstone::analytics {

struct BackFill {
    using Sink = FunctionRef<void(const void* fact)>;

    std::string key{};  // an integer member that is never null: ranges are of it; empty: none
    // The facts with from <= key < end, in any order, in one statement; how many.
    std::function<Task<std::uint64_t>(Reader, std::int64_t from, std::int64_t end, Sink)> read{};
    // The greatest key there is; 0: none. Keys are above 0.
    std::function<Task<std::int64_t>(Reader)> last_key{};

    bool is_there() const noexcept { return !key.empty(); }
};

template <class T>
using FactsOfRange = Task<std::uint64_t> (*)(Reader reader, std::int64_t from, std::int64_t end,
                                             FunctionRef<void(const T&)> sink);

namespace internal {

template <class T>
Task<std::uint64_t> read_facts(FactsOfRange<T> facts, Reader reader, std::int64_t from,
                               std::int64_t end, BackFill::Sink sink) {
    auto take = [&sink](const T& fact) { sink(&fact); };
    co_return co_await facts(reader, from, end, take);
}

}  // namespace internal

}  // namespace loadstone::analytics
