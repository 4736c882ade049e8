#pragma once
// View: data that is derived from others, computed once and kept as long as it is true. Declared
// in a module's views.cc:
//
//     const cache::View<CourseKey, CourseActivity> course_activity{
//         .name = "learning.course_activity",
//         .compute = compute_activity,          // Task<CourseActivity>(Reader, CourseKey)
//         .reads = {{"lesson_progress", "course_id"}, {"grades", "course_id"}},
//     };
//     auto answer = co_await cache::answer(context, course_activity, key);
//
// There is no call that invalidates. While a view is computed the cache takes down what each
// statement reads; a transaction that writes any of it makes the entry invalid by its commit.

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/cache/cache.h"

namespace loadstone::cache {

template <class Key, class T>
struct View {
    std::string name;
    // Reads through its Reader alone, and depends on its key, the database and nothing else: what
    // depends on the time has it in its key, or in `fresh_for`.
    Task<T> (*compute)(Reader reader, Key key);
    // Every table that it reads, with the column that its key selects by.
    std::vector<Watch> reads;
    // How long an answer may be used although nothing changed; 0: as long as it is true. One of
    // those who ask shortly before its end computes it, and the others go on using it.
    std::chrono::milliseconds fresh_for{0};
    // While it is computed, all others get the last value, marked as stale, if it was true so long
    // ago at most; also those who have written since. 0: they wait.
    std::chrono::milliseconds stale_for{0};
    // Computed by one of the nodes of a database, for all (fills.h). That costs two transactions:
    // for what takes longer than those. Not with `fresh_for`.
    bool once_in_cluster = false;
};

namespace internal {

template <class Key, class T>
Task<std::string> compute_text(Reader reader, Task<T> (*compute)(Reader, Key), Key key) {
    const T value = co_await compute(reader, std::move(key));
    co_return to_json(value);
}

}  // namespace internal

// Its JSON, from the cache or computed; computed always where the server has no cache. As fresh as
// Context::reading() says. Errors: of the computation; unavailable, deadline_exceeded.
template <class Key, class T>
Task<Answer> answer(Context& context, const View<Key, T>& view, Key key) {
    const auto compute = [&view, &key](Reader reader) {
        return internal::compute_text<Key, T>(reader, view.compute, key);
    };
    const std::string text = to_json(key);
    const Asked asked{view.name, text, view.fresh_for, view.stale_for, view.once_in_cluster};
    const Compute function = compute;
    Answer found = co_await answer_of(context, asked, function);
    co_return found;
}

// The same as a value.
template <class Key, class T>
Task<T> value(Context& context, const View<Key, T>& view, Key key) {
    const Answer found = co_await answer(context, view, std::move(key));
    co_return value_or_throw(from_json<T>(*found.json, stored_json));
}

}  // namespace loadstone::cache
