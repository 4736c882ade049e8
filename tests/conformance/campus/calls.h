#pragma once
// Calls of generated functions on two stores at once, with the same arguments: what they give, or
// the code of what they throw, is the same.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/store/tx.h"
#include "tests/conformance/campus/arguments.h"
#include "tests/support/test_store.h"

namespace tests::conformance {

// JSON without times by a database's clock: those of this century are all "now".
std::string without_clock(std::string json);

template <class T>
std::string shown(const T& result) {
    return without_clock(loadstone::to_json(result));
}

// What a call has given on one store. `is_found`: rows, or a row that was changed.
struct Given {
    std::string text;
    bool is_found = false;
};

template <class T>
Given given(const T& result) {
    Given made{shown(result), true};
    if constexpr (requires { result.has_value(); }) made.is_found = result.has_value();
    if constexpr (std::is_integral_v<T>) made.is_found = result != 0;
    return made;
}

// A line for each row.
template <class Row>
Given given(const std::vector<Row>& rows) {
    Given made;
    for (const Row& row : rows) made.text += shown(row) + "\n";
    made.is_found = !rows.empty();
    return made;
}

template <class Page>
concept IsPage = requires(Page page) {
    page.rows;
    page.next;
};

template <class R, class First, class... A, class... K>
loadstone::Task<Given> called(First from, loadstone::Task<R> (*function)(First, A...),
                              const std::tuple<K...>& kept) {
    auto start = [&](const K&... arguments) { return function(from, A(arguments)...); };
    auto task = std::apply(start, kept);
    const R result = co_await std::move(task);
    co_return given(result);
}

template <class Row, class... A, class... K>
loadstone::Task<Given> streamed(
    loadstone::Reader reader,
    loadstone::Task<std::uint64_t> (*function)(loadstone::Reader,
                                               loadstone::FunctionRef<void(const Row&)>, A...),
    const std::tuple<K...>& kept) {
    std::vector<Row> rows;
    auto sink = [&](const Row& row) { rows.push_back(row); };
    auto start = [&](const K&... arguments) { return function(reader, sink, A(arguments)...); };
    auto task = std::apply(start, kept);
    co_await std::move(task);
    co_return given(rows);
}

// Page by page, to the end.
template <class Page, class Read>
loadstone::Task<Given> paged(Read& read) {
    std::vector<typename decltype(Page::rows)::value_type> rows;
    std::string lengths;
    decltype(Page::next) after;
    do {
        Page page = co_await read(after);
        lengths += " " + std::to_string(page.rows.size());
        rows.insert(rows.end(), page.rows.begin(), page.rows.end());
        after = page.next;
    } while (after);
    Given made = given(rows);
    made.text += lengths;
    co_return made;
}

using ReadCall = std::function<loadstone::Task<Given>(loadstone::Reader)>;
using WriteCall = std::function<loadstone::Task<Given>(loadstone::Tx&)>;

// Of one function with its arguments; exactly one of the two is set.
struct Call {
    ReadCall read;
    WriteCall write;
};

Given run(TestStore& store, const Call& call);

struct Function {
    std::string name;
    bool writes = false;
    std::function<Call(Arguments&)> call;
};

// Gathers the functions that sql_all.h lists.
class Functions {
public:
    explicit Functions(std::string module) : module_(std::move(module)) {}
    std::vector<Function> all;

    template <class R, class... A>
    void operator()(std::string_view name, loadstone::Task<R> (*function)(loadstone::Tx&, A...),
                    const std::vector<std::string_view>& names) {
        add(name, true, [=](Arguments& source) {
            auto kept = kept_of<A...>(source, names, std::index_sequence_for<A...>());
            Call call;
            call.write = [=](loadstone::Tx& tx) {
                return called<R, loadstone::Tx&, A...>(tx, function, *kept);
            };
            return call;
        });
    }
    template <class R, class... A>
        requires(!IsPage<R>)
    void operator()(std::string_view name, loadstone::Task<R> (*function)(loadstone::Reader, A...),
                    const std::vector<std::string_view>& names) {
        add(name, false, [=](Arguments& source) {
            auto kept = kept_of<A...>(source, names, std::index_sequence_for<A...>());
            Call call;
            call.read = [=](loadstone::Reader reader) {
                return called<R, loadstone::Reader, A...>(reader, function, *kept);
            };
            return call;
        });
    }
    template <class Row, class... A>
    void operator()(std::string_view name,
                    loadstone::Task<std::uint64_t> (*function)(
                        loadstone::Reader, loadstone::FunctionRef<void(const Row&)>, A...),
                    const std::vector<std::string_view>& names) {
        add(name, false, [=](Arguments& source) {
            auto kept = kept_of<A...>(source, names, std::index_sequence_for<A...>());
            Call call;
            call.read = [=](loadstone::Reader reader) { return streamed(reader, function, *kept); };
            return call;
        });
    }
    template <IsPage Page, class... A>
    void operator()(std::string_view name,
                    loadstone::Task<Page> (*function)(loadstone::Reader, A...),
                    const std::vector<std::string_view>& names) {
        add(name, false, [=](Arguments& source) {
            auto kept = kept_of<A...>(source, names, std::make_index_sequence<sizeof...(A) - 3>());
            const auto limit = static_cast<std::int64_t>(source.below(3) + 1);
            Call call;
            call.read = [=](loadstone::Reader reader) {
                return all_pages(reader, function, limit, kept);
            };
            return call;
        });
    }

private:
    template <class... A, std::size_t... i>
    static auto kept_of(Arguments& source, const std::vector<std::string_view>& names,
                        std::index_sequence<i...>) {
        using All = std::tuple<std::remove_cvref_t<A>...>;
        using Made = std::tuple<typename Kept<std::tuple_element_t<i, All>>::Type...>;
        // Braces, so that they are made in order.
        return std::make_shared<const Made>(
            Made{source.of<std::tuple_element_t<i, Made>>(names.at(i))...});
    }
    template <class Page, class... A, class... K>
    static loadstone::Task<Given> all_pages(
        loadstone::Reader reader, loadstone::Task<Page> (*function)(loadstone::Reader, A...),
        std::int64_t limit, std::shared_ptr<const std::tuple<K...>> kept) {
        auto read = [&](decltype(Page::next) after) {
            auto start = [&](const K&... arguments) {
                return function(reader, arguments..., limit, after,
                                std::source_location::current());
            };
            return std::apply(start, *kept);
        };
        co_return co_await paged<Page>(read);
    }
    void add(std::string_view name, bool writes, std::function<Call(Arguments&)> call) {
        all.push_back({module_ + "." + std::string(name), writes, std::move(call)});
    }

    std::string module_;
};

}  // namespace tests::conformance
