#include "loadstone/analytics/rollup.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loadstone/base/error.h"

namespace loadstone::analytics {

namespace {

using Kind = RollupColumn::Kind;

constexpr std::size_t keys_max = 8, columns_max = 64, word_bytes_max = 63;

bool is_word(std::string_view text) {
    const auto is_of_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-_./").find(c) != std::string_view::npos;
    };
    return !text.empty() && text.size() <= word_bytes_max && std::ranges::all_of(text, is_of_word);
}

const Column* member_of(const Schema& schema, std::string_view name) {
    const auto at = std::ranges::find(schema.columns, name, &Column::name);
    return at == schema.columns.end() ? nullptr : &*at;
}

bool can_be_of(Kind kind, ColumnType type) {
    if (kind == Kind::sum) return type == ColumnType::integer;
    return type == ColumnType::integer || type == ColumnType::real || type == ColumnType::timestamp;
}

// Of columns, before "=" and between ":".
std::vector<std::string> parts_of(std::string_view text, char mark) {
    std::vector<std::string> parts;
    for (;;) {
        const auto at = text.find(mark);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

[[noreturn]] void throw_no_rollup(std::string_view text) {
    throw Error(Errc::data_loss, fmt::format("\"{}\" are not the columns of a rollup", text));
}

RollupColumn column_from(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) throw_no_rollup(text);
    const auto parts = parts_of(text.substr(equals + 1), ':');
    const bool is_good = parts.size() == 4 && parts[0].size() == 1 &&
                         std::string_view("cslg").find(parts[0]) != std::string_view::npos;
    if (!is_good) throw_no_rollup(text);
    const bool is_not = parts[3].starts_with('!');
    return {std::string(text.substr(0, equals)),
            static_cast<Kind>(parts[0][0]),
            parts[1],
            {parts[2], parts[3].substr(is_not ? 1 : 0), is_not}};
}

}  // namespace

Rollup& Rollup::count(std::string name, FactsWith of) {
    columns_.push_back({std::move(name), Kind::count, {}, std::move(of)});
    return *this;
}

Rollup& Rollup::sum(std::string name, std::string member, FactsWith of) {
    columns_.push_back({std::move(name), Kind::sum, std::move(member), std::move(of)});
    return *this;
}

Rollup& Rollup::min(std::string name, std::string member, FactsWith of) {
    columns_.push_back({std::move(name), Kind::min, std::move(member), std::move(of)});
    return *this;
}

Rollup& Rollup::max(std::string name, std::string member, FactsWith of) {
    columns_.push_back({std::move(name), Kind::max, std::move(member), std::move(of)});
    return *this;
}

void Rollup::require_valid(std::string_view name, const Schema& schema) const {
    const auto refuse = [&](std::string_view why) {
        throw Error(Errc::invalid_argument,
                    fmt::format("rollup {} of fact {}: {}", name, schema.fact, why));
    };
    if (!is_name(name)) refuse("a name is made of a-z, 0-9 and _");
    if (keys_.empty() || keys_.size() > keys_max) refuse(fmt::format("1 to {} keys", keys_max));
    if (columns_.empty() || columns_.size() > columns_max)
        refuse(fmt::format("1 to {} columns", columns_max));
    for (const std::string& key : keys_) {
        if (member_of(schema, key) == nullptr) refuse(fmt::format("{} is no member", key));
        if (std::ranges::count(keys_, key) > 1) refuse(fmt::format("{} is a key twice", key));
    }
    for (const RollupColumn& column : columns_) {
        if (!is_name(column.name) || member_of(schema, column.name) != nullptr)
            refuse(fmt::format("{} cannot be a column's name, or is a member's", column.name));
        if (std::ranges::count(columns_, column.name, &RollupColumn::name) > 1)
            refuse(fmt::format("there are two columns {}", column.name));
        const Column* member = member_of(schema, column.member);
        if (column.kind != Kind::count &&
            (member == nullptr || !can_be_of(column.kind, member->type)))
            refuse(fmt::format("{} is no member that column {} can be of", column.member,
                               column.name));
        if (column.of.member.empty()) continue;
        const Column* with = member_of(schema, column.of.member);
        if (with == nullptr || with->type != ColumnType::text || !is_word(column.of.equals))
            refuse(
                fmt::format("column {} is of facts with {} = \"{}\": a member that is a text, and "
                            "a word",
                            column.name, column.of.member, column.of.equals));
    }
}

std::vector<Column> Rollup::shape(const Schema& schema) const {
    std::vector<Column> shape;
    for (const std::string& key : keys_) shape.push_back(*member_of(schema, key));
    for (const RollupColumn& each : columns_) {
        Column& column = shape.emplace_back();
        column.name = each.name;
        if (each.kind == Kind::count) continue;
        const Column& member = *member_of(schema, each.member);
        column.type = member.type;
        // A group has a fact, which need not be one of those with the word.
        column.is_nullable = member.is_nullable || !each.of.member.empty();
    }
    return shape;
}

std::string to_text(const Rollup& rollup) {
    std::string text = fmt::format("{}", fmt::join(rollup.keys(), ","));
    for (const RollupColumn& column : rollup.columns())
        text += fmt::format(" {}={}:{}:{}:{}{}", column.name, static_cast<char>(column.kind),
                            column.member, column.of.member, column.of.is_not ? "!" : "",
                            column.of.equals);
    return text;
}

Rollup rollup_from(std::string_view text) {
    const auto parts = parts_of(text, ' ');
    Rollup rollup(parts_of(parts[0], ','));
    for (std::size_t i = 1; i < parts.size(); ++i) {
        RollupColumn column = column_from(parts[i]);
        switch (column.kind) {
            case Kind::count: rollup.count(column.name, column.of); break;
            case Kind::sum: rollup.sum(column.name, column.member, column.of); break;
            case Kind::min: rollup.min(column.name, column.member, column.of); break;
            case Kind::max: rollup.max(column.name, column.member, column.of); break;
        }
    }
    return rollup;
}

}  // namespace loadstone::analytics
