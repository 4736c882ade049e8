#include "loadstone/store/row.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/row_errors.h"

namespace loadstone::store {
namespace {

using Cell = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

// What a backend would give.
class FakeRow final : public Row {
public:
    explicit FakeRow(std::vector<std::pair<std::string, Cell>> cells) : cells_(std::move(cells)) {}

    int columns() const noexcept override { return static_cast<int>(cells_.size()); }
    std::string_view name(int column) const noexcept override { return at(column).first; }
    bool is_null(int column) const noexcept override { return at(column).second.index() == 0; }
    bool boolean(int column) const override { return get<bool>(column, "boolean"); }
    std::int64_t integer(int column) const override { return get<std::int64_t>(column, "integer"); }
    double real(int column) const override { return get<double>(column, "real"); }
    std::string_view text(int column) const override { return get<std::string>(column, "text"); }
    std::string_view bytes(int column) const override { return get<std::string>(column, "bytes"); }
    std::size_t size_bytes() const noexcept override { return 0; }
    std::string_view statement() const noexcept override { return "test.row"; }
    internal::VerifiedTypes& verified() const noexcept override { return verified_; }

private:
    const std::pair<std::string, Cell>& at(int column) const {
        return cells_[static_cast<std::size_t>(column)];
    }
    template <class T>
    const T& get(int column, std::string_view asked) const {
        const T* value = std::get_if<T>(&at(column).second);
        if (value == nullptr) internal::throw_wrong_type(*this, column, asked, "another");
        return *value;
    }

    std::vector<std::pair<std::string, Cell>> cells_;
    mutable internal::VerifiedTypes verified_;
};

struct Person {
    std::int64_t id = 0;
    std::string name;
    std::optional<double> height;
    bool active = false;
    Timestamp born;
    std::vector<std::byte> key;
};
BOOST_DESCRIBE_STRUCT(Person, (), (id, name, height, active, born, key))

struct Small {
    std::uint8_t level = 0;
};
BOOST_DESCRIBE_STRUCT(Small, (), (level))

struct WithList {
    std::vector<std::int64_t> numbers;
};
BOOST_DESCRIBE_STRUCT(WithList, (), (numbers))

FakeRow person_row() {
    return FakeRow({{"id", std::int64_t{7}},
                    {"name", std::string("Ada")},
                    {"height", Cell()},
                    {"active", true},
                    {"born", std::int64_t{1'000'000}},
                    {"key", std::string("\x01\x00", 2)}});
}

template <class T>
std::string message_of_decoding(const Row& row) {
    try {
        decode<T>(row);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::data_loss);
        return error.message();
    }
    return "decoded";
}

TEST(Row, FillsAStructByPosition) {
    const auto person = decode<Person>(person_row());
    EXPECT_EQ(person.id, 7);
    EXPECT_EQ(person.name, "Ada");
    EXPECT_FALSE(person.height);
    EXPECT_TRUE(person.active);
    EXPECT_EQ(person.born.micros, 1'000'000);
    const std::vector<std::byte> key{std::byte{1}, std::byte{0}};
    EXPECT_EQ(person.key, key);
}

TEST(Row, FillsASingleValue) {
    EXPECT_EQ(decode<std::int64_t>(FakeRow({{"n", std::int64_t{3}}})), 3);
    EXPECT_EQ(decode<Id<Person>>(FakeRow({{"id", std::int64_t{3}}})).value, 3);
    EXPECT_EQ(decode<std::optional<std::string>>(FakeRow({{"n", Cell()}})), std::nullopt);
}

TEST(Row, NamesTheColumnThatDoesNotPair) {
    const FakeRow row({{"id", std::int64_t{7}},
                       {"nome", std::string("Ada")},
                       {"height", Cell()},
                       {"active", true},
                       {"born", std::int64_t{0}},
                       {"key", std::string()}});
    const std::string expected = "test.row: column 2 is 'nome' where Person has 'name'";
    EXPECT_EQ(message_of_decoding<Person>(row), expected);
    // A statement that does not fit is found each time.
    EXPECT_EQ(message_of_decoding<Person>(row), expected);
}

TEST(Row, NamesTheNumberOfColumnsThatDoesNotFit) {
    const FakeRow two({{"level", std::int64_t{7}}, {"more", std::int64_t{7}}});
    EXPECT_EQ(message_of_decoding<Small>(two), "test.row: 2 columns where Small has 1 members");
    EXPECT_EQ(message_of_decoding<std::int64_t>(two),
              "test.row: 2 columns where one integer is expected");
}

TEST(Row, NamesANullWhereNoneIsExpected) {
    EXPECT_EQ(message_of_decoding<std::string>(FakeRow({{"name", Cell()}})),
              "test.row: column 'name' is null where a text is expected");
}

TEST(Row, NamesAnIntegerThatDoesNotFit) {
    EXPECT_EQ(decode<Small>(FakeRow({{"level", std::int64_t{255}}})).level, 255);
    for (const std::int64_t value : {std::int64_t{256}, std::int64_t{-1}}) {
        EXPECT_EQ(message_of_decoding<Small>(FakeRow({{"level", value}})),
                  "test.row: column 'level' holds " + std::to_string(value) +
                      ", which does not fit the unsigned 1 bytes of its member");
    }
}

TEST(Row, NamesBothTypesWhereTheyDiffer) {
    EXPECT_EQ(message_of_decoding<std::string>(FakeRow({{"name", std::int64_t{1}}})),
              "test.row: column 'name' holds another where text is expected");
}

TEST(Row, RefusesAMemberThatNoColumnCanHold) {
    EXPECT_EQ(message_of_decoding<WithList>(FakeRow({{"numbers", std::string("[1]")}})),
              "test.row: column 'numbers' cannot hold the list that WithList has there");
}

}  // namespace
}  // namespace loadstone::store
