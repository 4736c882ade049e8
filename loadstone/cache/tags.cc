#include "loadstone/cache/tags.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "loadstone/base/error.h"

namespace loadstone::cache {

namespace {

// FNV-1a, and a last step that spreads it (splitmix64). All nodes must agree on it, so that it is
// none of the standard library's.
class Hash {
public:
    Hash& add(std::string_view text) {
        for (const char c : text) mix(static_cast<unsigned char>(c));
        mix(0xFF);  // stands in no UTF-8
        return *this;
    }
    Hash& add(std::uint64_t number) {
        for (int i = 0; i < 8; ++i) mix(static_cast<unsigned char>(number >> (8 * i)));
        return *this;
    }
    Tag tag() const {
        std::uint64_t x = state_;
        x = (x ^ (x >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
        x = (x ^ (x >> 27U)) * 0x94D0'49BB'1331'11EBU;
        x ^= x >> 31U;
        return x == everything ? 1 : x;
    }

private:
    void mix(unsigned char byte) { state_ = (state_ ^ byte) * 0x100'0000'01B3U; }
    std::uint64_t state_ = 0xCBF2'9CE4'8422'2325U;
};

Tag any(std::string_view table) { return Hash().add("any").add(table).tag(); }
Tag wide(std::string_view table, std::string_view column) {
    return Hash().add("wide").add(table).add(column).tag();
}
Tag at(std::string_view table, std::string_view column, const store::Value& value) {
    Hash hash;
    hash.add("at").add(table).add(column);
    if (value.kind == store::ValueKind::text) return hash.add(value.text).tag();
    return hash.add(static_cast<std::uint64_t>(value.integer)).tag();
}

bool is_hashed(store::ValueKind kind) {
    return kind == store::ValueKind::integer || kind == store::ValueKind::boolean ||
           kind == store::ValueKind::text;
}

// The numbers of "[1,2,3]"; false if they are none.
bool each_number(std::string_view text, auto&& take) {
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
    text = text.substr(1, text.size() - 2);
    while (!text.empty()) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc()) return false;
        take(number);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (text.empty()) return true;
        if (text.front() != ',') return false;
        text.remove_prefix(1);
    }
    return true;
}

// at() of each value; false if they cannot be told: nothing was added.
bool add_values(std::string_view table, std::string_view column, const store::Value& value,
                bool is_array, Tags& tags) {
    if (value.kind == store::ValueKind::null) return true;  // equal to no row's
    if (!is_array) {
        if (!is_hashed(value.kind)) return false;
        tags.push_back(at(table, column, value));
        return true;
    }
    const std::size_t before = tags.size();
    const auto take = [&](std::int64_t number) {
        tags.push_back(at(table, column, store::Value(number)));
    };
    if (each_number(value.text, take)) return true;
    tags.resize(before);
    return false;
}

}  // namespace

std::string text_of(const Tags& tags) {
    std::string text;
    for (const Tag tag : tags) {
        if (!text.empty()) text += ' ';
        text += std::to_string(tag);
    }
    return text;
}

Tags tags_from(std::string_view text) {
    Tags tags;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        Tag tag = everything;
        const auto [next, error] = std::from_chars(at, end, tag);
        tags.push_back(error == std::errc() ? tag : everything);
        if (tags.back() == everything) break;
        at = next + 1;
    }
    return tags;
}

TagRules::TagRules(std::span<const store::Access> accesses, std::span<const Watch> watched) {
    for (const Watch& watch : watched) {
        auto& columns = watched_[watch.table];
        const bool is_known =
            std::find(columns.begin(), columns.end(), watch.column) != columns.end();
        if (!watch.column.empty() && !is_known) columns.push_back(watch.column);
    }
    for (const store::Access& access : accesses) {
        modules_[access.statement.substr(0, access.statement.find('.'))] = true;
        auto& tables = statements_[access.statement];
        auto table = std::find_if(tables.begin(), tables.end(),
                                  [&](const Table& known) { return known.name == access.table; });
        if (table == tables.end()) table = tables.insert(table, {access.table, access.writes, {}});
        if (!access.column.empty())
            table->columns.push_back({access.column, access.parameter, access.is_array});
    }
}

std::vector<std::string> const* TagRules::columns_of(std::string_view table) const {
    const auto found = watched_.find(std::string(table));
    return found == watched_.end() ? nullptr : &found->second;
}

void TagRules::add_written(const store::StatementRef& statement,
                           std::span<const store::Value> values, Tags& tags) const {
    const auto found = statements_.find(statement.name);
    if (found == statements_.end()) {
        if (modules_.contains(statement.name.substr(0, statement.name.find('.'))))
            tags.push_back(everything);
        return;
    }
    for (const Table& table : found->second) {
        const auto* watched = table.writes ? columns_of(table.name) : nullptr;
        if (watched == nullptr) continue;
        tags.push_back(any(table.name));
        for (const std::string& column : *watched) {
            const auto bound =
                std::find_if(table.columns.begin(), table.columns.end(),
                             [&](const Column& each) { return each.name == column; });
            // A null is in no read's rows; but an update that finds rows by it finds none either.
            if (bound == table.columns.end() ||
                !add_values(table.name, column,
                            values[static_cast<std::size_t>(bound->parameter) - 1], bound->is_array,
                            tags))
                tags.push_back(wide(table.name, column));
        }
    }
}

void TagRules::add_read(const store::StatementRef& statement, std::span<const store::Value> values,
                        Tags& tags) const {
    const auto found = statements_.find(statement.name);
    if (found == statements_.end())
        throw Error(Errc::internal,
                    fmt::format("a view runs {}, which the cache knows nothing of: give it the "
                                "accesses of its module",
                                statement.name));
    for (const Table& table : found->second) {
        const auto* watched = columns_of(table.name);
        if (watched == nullptr)
            throw Error(Errc::internal, fmt::format("a view reads {} by {}, which none declares",
                                                    table.name, statement.name));
        bool is_narrow = false;
        for (const Column& column : table.columns) {
            const bool is_watched =
                std::find(watched->begin(), watched->end(), column.name) != watched->end();
            if (!is_watched || !add_values(table.name, column.name,
                                           values[static_cast<std::size_t>(column.parameter) - 1],
                                           column.is_array, tags))
                continue;
            tags.push_back(wide(table.name, column.name));
            is_narrow = true;
            break;
        }
        if (!is_narrow) tags.push_back(any(table.name));
    }
}

}  // namespace loadstone::cache
