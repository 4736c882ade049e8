#pragma once
// ServerUses: what pg_stat_statements says of a statement of ours, found by its text. The server
// keeps the text that it saw first with every literal replaced by a parameter: "limit 5" is
// "limit $2" there, "interval '1 day'" is "interval $2", "extract(epoch from t)" is
// "extract($2 from t)". So texts are compared token by token. Pure.
//
// Statements that differ in literals alone are one to the server: each has the figures of both.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/store/inspection.h"

namespace loadstone::store {

// The tokens of an SQL text, without comments.
class StatementForm {
public:
    explicit StatementForm(std::string_view text);  // which must outlive it

    // The same for all texts that `is_shown_as` may hold for, and few others.
    const std::string& key() const noexcept { return key_; }
    bool is_shown_as(const StatementForm& told) const noexcept;

private:
    enum class Kind : std::uint8_t { other, value, parameter };
    struct Token {
        std::string_view text;
        Kind kind = Kind::other;
    };

    void add(Token token);

    std::vector<Token> tokens_;
    std::string key_;
    unsigned parameters_ = 0;  // the highest number
};

class ServerUses {
public:
    explicit ServerUses(const ServerStatistics& statistics);  // which must outlive it

    // Added up, if the server has several; nothing if it has none.
    std::optional<ServerUse> of(std::string_view text) const;

private:
    struct Known {
        StatementForm form;
        const ServerUse* use;
    };
    std::unordered_map<std::string, std::vector<Known>> known_;  // by key
};

}  // namespace loadstone::store
