#pragma once
// Arguments for generated functions, by type and name, out of small pools: so that calls meet each
// other's rows.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/base/timestamp.h"

namespace tests::conformance {

// What keeps an argument alive: text for a view, a vector for a span.
template <class T>
struct Kept {
    using Type = T;
};
template <>
struct Kept<std::string_view> {
    using Type = std::string;
};
template <class T>
struct Kept<std::span<const T>> {
    using Type = std::vector<T>;
};

class Arguments {
public:
    explicit Arguments(std::uint64_t seed) : random_(seed) {}

    std::uint64_t below(std::uint64_t end) {
        return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
    }
    template <class T>
    T of(std::string_view name) {
        T value{};
        fill(value, name);
        return value;
    }

private:
    // Where a function is called: for statistics alone.
    void fill(std::source_location&, std::string_view) {}
    void fill(std::int64_t& value, std::string_view name) {
        value = static_cast<std::int64_t>(below(3)) + (name == "kept" ? 0 : 1);
    }
    void fill(bool& value, std::string_view) { value = below(2) == 0; }
    // Stored ones are in 1970; what is compared with them may be later than now.
    void fill(loadstone::Timestamp& value, std::string_view name) {
        const bool may_be_late = name == "before" || name == "end";
        value.micros = may_be_late && below(2) == 0 ? 4'000'000'000'000'000
                                                    : static_cast<std::int64_t>(below(3) + 1);
        if (name == "since" && below(2) == 0) value.micros = 0;
    }
    void fill(std::string& value, std::string_view name) {
        if (name == "state") {
            value = std::vector<std::string>{"running", "done", "failed", "sent", ""}[below(5)];
        } else if (name == "end") {
            value = "z";
        } else if (name == "start") {
            value = below(3) == 0 ? "b" : "";
        } else {
            value = std::vector<std::string>{"a", "b", "it's \"c\""}[below(3)];
        }
    }
    template <class Tag>
    void fill(loadstone::Id<Tag>& value, std::string_view) {
        value.value = static_cast<std::int64_t>(below(3)) + 1;
    }
    template <class T>
    void fill(std::vector<T>& values, std::string_view name) {
        values.resize(below(4));
        for (T& value : values) fill(value, name);
        if constexpr (boost::describe::has_describe_members<T>::value) keep_first_of_a_kind(values);
    }
    template <class T>
    void fill(std::optional<T>& value, std::string_view name) {
        if (below(2) == 0) fill(value.emplace(), name);
    }
    template <class T>
        requires boost::describe::has_describe_members<T>::value
    void fill(T& row, std::string_view) {
        using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
        boost::mp11::mp_for_each<Members>(
            [&](auto member) { fill(row.*member.pointer, member.name); });
    }
    // One statement may not change a row twice on PostgreSQL. The first member is the key.
    template <class T>
    static void keep_first_of_a_kind(std::vector<T>& rows) {
        using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
        constexpr auto key = boost::mp11::mp_front<Members>::pointer;
        std::vector<T> kept;
        for (T& row : rows) {
            const auto is_same = [&](const T& other) { return other.*key == row.*key; };
            if (std::none_of(kept.begin(), kept.end(), is_same)) kept.push_back(std::move(row));
        }
        rows = std::move(kept);
    }

    std::mt19937_64 random_;
};

}  // namespace tests::conformance
