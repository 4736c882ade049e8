#include "loadstone/base/describe.h"

#include <gtest/gtest.h>

#include <limits>

namespace loadstone {
namespace {

struct UserTag;

struct Address {
    std::string city;
};
BOOST_DESCRIBE_STRUCT(Address, (), (city))

struct Account {
    Id<UserTag> id;
    std::string name;
    std::uint8_t age = 0;
    double score = 0;
    std::optional<Timestamp> seen;
    std::vector<Address> addresses;
    std::vector<std::byte> key;
};
BOOST_DESCRIBE_STRUCT(Account, (), (id, name, age, score, seen, addresses, key))

struct Empty {};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

template <class T>
struct Page {
    std::vector<T> items;
    BOOST_DESCRIBE_CLASS(Page, (), (items), (), ())
};

struct Tree {
    std::vector<Tree> children;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (children))

TEST(Describe, NamesTheTypeAndItsMembersInOrder) {
    const TypeInfo& type = type_info<Account>();
    EXPECT_EQ(type.kind, TypeKind::record);
    EXPECT_EQ(type.name, "Account");
    std::vector<std::string_view> names;
    for (const FieldInfo& field : type.fields) names.push_back(field.name);
    EXPECT_EQ(names, (std::vector<std::string_view>{"id", "name", "age", "score", "seen",
                                                    "addresses", "key"}));
    EXPECT_TRUE(type_info<Empty>().fields.empty());
    EXPECT_EQ(type_info<Page<Address>>().name.substr(0, 5), "Page<");
}

TEST(Describe, TellsTheKindOfEveryMember) {
    const auto fields = type_info<Account>().fields;
    EXPECT_EQ(fields[0].type().kind, TypeKind::integer);
    EXPECT_TRUE(fields[0].type().is_id);
    EXPECT_EQ(fields[1].type().kind, TypeKind::text);
    EXPECT_EQ(fields[2].type().size, 1U);
    EXPECT_FALSE(fields[2].type().is_signed);
    EXPECT_EQ(fields[3].type().kind, TypeKind::real);
    EXPECT_EQ(fields[4].type().kind, TypeKind::optional);
    EXPECT_EQ(fields[4].type().element().kind, TypeKind::timestamp);
    EXPECT_EQ(fields[5].type().kind, TypeKind::list);
    EXPECT_EQ(&fields[5].type().element(), &type_info<Address>());
    EXPECT_EQ(fields[6].type().kind, TypeKind::bytes);
}

TEST(Describe, ReachesTheMembersOfAnObject) {
    Account account;
    const auto fields = type_info<Account>().fields;
    EXPECT_EQ(fields[1].address(&account), &account.name);
    const TypeInfo& seen = fields[4].type();
    void* const optional = fields[4].address(&account);
    EXPECT_FALSE(seen.has_value(optional));
    static_cast<Timestamp*>(seen.emplace(optional))->micros = 7;
    EXPECT_EQ(account.seen, Timestamp{7});
    EXPECT_EQ(seen.at(optional, 0), &*account.seen);
    seen.reset(optional);
    EXPECT_FALSE(account.seen);

    const TypeInfo& list = fields[5].type();
    void* const addresses = fields[5].address(&account);
    static_cast<Address*>(list.emplace(addresses))->city = "Graz";
    list.emplace(addresses);
    EXPECT_EQ(list.count(addresses), 2U);
    EXPECT_EQ(list.at(addresses, 0), &account.addresses[0]);
    list.clear(addresses);
    EXPECT_TRUE(account.addresses.empty());
}

TEST(Describe, AllowsATypeThatHoldsItself) {
    const TypeInfo& type = type_info<Tree>();
    EXPECT_EQ(&type.fields[0].type().element(), &type);
}

template <class T>
class IntegerInfo : public testing::Test {};

using Integers = testing::Types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                                std::int32_t, std::uint32_t, std::int64_t>;
TYPED_TEST_SUITE(IntegerInfo, Integers);

TYPED_TEST(IntegerInfo, TakesWhatFitsAndNothingElse) {
    const TypeInfo& type = type_info<TypeParam>();
    constexpr std::int64_t min = std::numeric_limits<TypeParam>::min();
    constexpr std::int64_t max = std::numeric_limits<TypeParam>::max();
    TypeParam number = 1;
    for (const std::int64_t value : {min, min + 1, max - 1, max}) {
        EXPECT_TRUE(set_integer(type, &number, value)) << value;
        EXPECT_EQ(number, static_cast<TypeParam>(value));
        EXPECT_EQ(get_integer(type, &number), value);
    }
    if constexpr (sizeof(TypeParam) < sizeof(std::int64_t)) {
        EXPECT_FALSE(set_integer(type, &number, max + 1));
        EXPECT_FALSE(set_integer(type, &number, min - 1));
        EXPECT_EQ(get_integer(type, &number), max);
    }
}

TEST(TypeInfo, KeepsNegativeNumbersOfFourBytes) {
    const std::int32_t number = -1;
    EXPECT_EQ(get_integer(type_info<std::int32_t>(), &number), -1);
}

TEST(TypeInfo, RefusesNegativeNumbersForUnsignedOnes) {
    std::uint64_t number = 7;
    EXPECT_FALSE(set_integer(type_info<std::uint64_t>(), &number, -1));
    EXPECT_TRUE(
        set_integer(type_info<std::uint64_t>(), &number, std::numeric_limits<std::int64_t>::max()));
    EXPECT_EQ(number, std::uint64_t{std::numeric_limits<std::int64_t>::max()});
}

TEST(TypeInfo, CarriesRealsOfBothSizes) {
    float narrow = 0;
    double wide = 0;
    set_real(type_info<float>(), &narrow, 0.5);
    set_real(type_info<double>(), &wide, 0.1);
    EXPECT_EQ(get_real(type_info<float>(), &narrow), 0.5);
    EXPECT_EQ(get_real(type_info<double>(), &wide), 0.1);
}

}  // namespace
}  // namespace loadstone
