#pragma once
// type_info<T>(): the TypeInfo of a described struct or of what its members may be: bool,
// integers, double, std::string, Id<Tag>, Timestamp, std::optional, std::vector, bytes, nested
// structs.
//
//     struct Registration { std::string name, email, password; };
//     BOOST_DESCRIBE_STRUCT(Registration, (), (name, email, password))

#include <array>
#include <boost/describe.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "loadstone/base/id.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/base/type_info.h"

namespace loadstone {

template <class T>
const TypeInfo& type_info();

namespace internal {

template <class T>
struct IsId : std::false_type {};
template <class Tag>
struct IsId<Id<Tag>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T, class Descriptor>
void* field_address(void* object) {
    return &(static_cast<T*>(object)->*Descriptor::pointer);
}

template <class T, template <class...> class List, class... Descriptors>
constexpr auto field_table(List<Descriptors...>*) {
    return std::array<FieldInfo, sizeof...(Descriptors)>{FieldInfo{
        Descriptors::name,
        &type_info<std::remove_cvref_t<decltype(std::declval<T>().*Descriptors::pointer)>>,
        &field_address<T, Descriptors>}...};
}

template <class T>
using DescribedMembers = boost::describe::describe_members<T, boost::describe::mod_public>;

// The unqualified name of T, out of the compiler's spelling of this function.
template <class T>
constexpr std::string_view type_name() {
    std::string_view text = __PRETTY_FUNCTION__;
    const auto start = text.find("T = ") + 4;
    const auto end = text.find_first_of(";]", start);
    text = text.substr(start, end - start);
    const auto colon = text.rfind("::", text.find('<'));  // not one of a template's argument
    return colon == std::string_view::npos ? text : text.substr(colon + 2);
}

template <class T>
TypeInfo optional_info() {
    using E = typename T::value_type;
    TypeInfo info{.kind = TypeKind::optional, .name = "optional"};
    info.element = &type_info<E>;
    info.has_value = [](const void* o) { return static_cast<const T*>(o)->has_value(); };
    info.reset = [](void* o) { static_cast<T*>(o)->reset(); };
    info.emplace = [](void* o) -> void* { return &static_cast<T*>(o)->emplace(); };
    info.at = [](const void* o, std::size_t) -> const void* { return &**static_cast<const T*>(o); };
    return info;
}

template <class T>
TypeInfo list_info() {
    using E = typename T::value_type;
    static_assert(!std::is_same_v<E, bool>, "std::vector<bool> has no addressable elements");
    TypeInfo info{.kind = TypeKind::list, .name = "list"};
    info.element = &type_info<E>;
    info.emplace = [](void* o) -> void* { return &static_cast<T*>(o)->emplace_back(); };
    info.count = [](const void* o) { return static_cast<const T*>(o)->size(); };
    info.at = [](const void* o, std::size_t i) -> const void* {
        return &(*static_cast<const T*>(o))[i];
    };
    info.clear = [](void* o) { static_cast<T*>(o)->clear(); };
    return info;
}

}  // namespace internal

template <class T>
const TypeInfo& type_info() {
    if constexpr (std::is_same_v<T, bool>) {
        static constexpr TypeInfo info{.kind = TypeKind::boolean, .name = "boolean"};
        return info;
    } else if constexpr (std::is_integral_v<T>) {
        static constexpr TypeInfo info{.kind = TypeKind::integer,
                                       .name = "integer",
                                       .size = sizeof(T),
                                       .is_signed = std::is_signed_v<T>};
        return info;
    } else if constexpr (internal::IsId<T>::value) {
        static_assert(sizeof(T) == sizeof(std::int64_t));
        static constexpr TypeInfo info{
            .kind = TypeKind::integer, .name = "id", .size = 8, .is_signed = true, .is_id = true};
        return info;
    } else if constexpr (std::is_floating_point_v<T>) {
        static_assert(sizeof(T) <= sizeof(double), "no long double: nothing stores it");
        static constexpr TypeInfo info{.kind = TypeKind::real, .name = "number", .size = sizeof(T)};
        return info;
    } else if constexpr (std::is_same_v<T, std::string>) {
        static constexpr TypeInfo info{.kind = TypeKind::text, .name = "text"};
        return info;
    } else if constexpr (std::is_same_v<T, std::vector<std::byte>>) {
        static constexpr TypeInfo info{.kind = TypeKind::bytes, .name = "bytes"};
        return info;
    } else if constexpr (std::is_same_v<T, Timestamp>) {
        static constexpr TypeInfo info{.kind = TypeKind::timestamp, .name = "timestamp"};
        return info;
    } else if constexpr (internal::IsOptional<T>::value) {
        static const TypeInfo info = internal::optional_info<T>();
        return info;
    } else if constexpr (internal::IsVector<T>::value) {
        static const TypeInfo info = internal::list_info<T>();
        return info;
    } else {
        static_assert(boost::describe::has_describe_members<T>::value,
                      "describe this struct with BOOST_DESCRIBE_STRUCT(Type, (), (members...))");
        static constexpr auto fields =
            internal::field_table<T>(static_cast<internal::DescribedMembers<T>*>(nullptr));
        static constexpr TypeInfo info{
            .kind = TypeKind::record, .name = internal::type_name<T>(), .fields = fields};
        return info;
    }
}

}  // namespace loadstone
