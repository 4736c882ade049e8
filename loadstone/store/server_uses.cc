#include "loadstone/store/server_uses.h"

#include <algorithm>
#include <charconv>

namespace loadstone::store {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

bool is_of_word(char c) noexcept { return is_letter(c) || is_digit(c) || c == '$'; }

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_word(std::string_view text, std::string_view word) noexcept {
    return std::ranges::equal(text, word, {}, lower);
}

unsigned number_of(std::string_view parameter) noexcept {
    unsigned number = 0;
    std::from_chars(parameter.data() + 1, parameter.data() + parameter.size(), number);
    return number;
}

// How long what `text` begins with is; each at least 1.

std::size_t length_of_run(std::string_view text, bool (*is_of)(char) noexcept) {
    const auto end = std::ranges::find_if_not(text, is_of);
    return static_cast<std::size_t>(end - text.begin());
}

// With quotes in it doubled, or after a backslash.
std::size_t length_of_quoted(std::string_view text, bool has_backslashes) {
    const char quote = text.front();
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (has_backslashes && text[at] == '\\') {
            ++at;
        } else if (text[at] == quote) {
            if (at + 1 == text.size() || text[at + 1] != quote) return at + 1;
            ++at;
        }
    }
    return text.size();
}

// 12, 1.5, .5, 2e-3
std::size_t length_of_number(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() &&
           (is_of_word(text[at]) || text[at] == '.' ||
            ((text[at] == '-' || text[at] == '+') && at > 0 && lower(text[at - 1]) == 'e')))
        ++at;
    return at;
}

// $$..$$, $tag$..$tag$; 0 if it is none.
std::size_t length_of_dollar_quoted(std::string_view text) {
    const auto second = text.find('$', 1);
    if (second == std::string_view::npos) return 0;
    const std::string_view tag = text.substr(0, second + 1);
    for (const char c : tag.substr(1, tag.size() - 2)) {
        if (!is_letter(c) && !is_digit(c)) return 0;
    }
    const auto end = text.find(tag, tag.size());
    return end == std::string_view::npos ? 0 : end + tag.size();
}

// Blanks and comments; 0 if it begins with neither.
std::size_t length_of_nothing(std::string_view text) {
    constexpr std::string_view blanks = " \t\n\r\f\v";
    if (text.starts_with("--")) return std::min(text.find('\n'), text.size());
    if (text.starts_with("/*")) {
        std::size_t depth = 0;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (text.substr(at).starts_with("/*")) {
                ++depth;
                ++at;
            } else if (text.substr(at).starts_with("*/")) {
                ++at;
                if (--depth == 0) return at + 1;
            }
        }
        return text.size();
    }
    return std::min(text.find_first_not_of(blanks), text.size());
}

// e'..', b'..', x'..', n'..': the prefix alone.
bool begins_string(std::string_view text) {
    return text.size() > 1 && text[1] == '\'' &&
           std::string_view("ebxn").find(lower(text[0])) != std::string_view::npos;
}

bool is_constant(std::string_view word) {
    return is_word(word, "true") || is_word(word, "false") || is_word(word, "null");
}

void add_to(ServerUse& sum, const ServerUse& use) {
    sum.calls += use.calls;
    sum.rows += use.rows;
    sum.temp_bytes += use.temp_bytes;
    sum.read_bytes += use.read_bytes;
    sum.hit_bytes += use.hit_bytes;
    sum.total_ms += use.total_ms;
    if (use.cpu_ms >= 0) sum.cpu_ms = std::max(sum.cpu_ms, 0.0) + use.cpu_ms;
    if (use.disk_bytes >= 0)
        sum.disk_bytes = std::max<std::int64_t>(sum.disk_bytes, 0) + use.disk_bytes;
}

}  // namespace

StatementForm::StatementForm(std::string_view text) {
    while (!text.empty()) {
        if (const std::size_t nothing = length_of_nothing(text); nothing > 0) {
            text.remove_prefix(nothing);
            continue;
        }
        const char c = text.front();
        std::size_t length = 1;
        Kind kind = Kind::other;
        if (c == '\'' || begins_string(text)) {
            const std::size_t prefix = c == '\'' ? 0 : 1;
            length = prefix + length_of_quoted(text.substr(prefix), lower(c) == 'e');
            kind = Kind::value;
        } else if (c == '"') {
            length = length_of_quoted(text, false);
        } else if (is_letter(c)) {
            length = length_of_run(text, is_of_word);
            if (is_constant(text.substr(0, length))) kind = Kind::value;
        } else if (is_digit(c) || (c == '.' && text.size() > 1 && is_digit(text[1]))) {
            length = length_of_number(text);
            kind = Kind::value;
        } else if (c == '$' && text.size() > 1 && is_digit(text[1])) {
            length = 1 + length_of_run(text.substr(1), is_digit);
            kind = Kind::parameter;
        } else if (c == '$') {
            length = std::max<std::size_t>(length_of_dollar_quoted(text), 1);
            if (length > 1) kind = Kind::value;
        }
        add({text.substr(0, length), kind});
        text.remove_prefix(length);
    }
    while (!tokens_.empty() && tokens_.back().text == ";") tokens_.pop_back();
    for (const Token& token : tokens_) {
        if (token.kind == Kind::other)
            key_.append(token.text).append(" ");
        else
            key_.append("? ");
    }
}

void StatementForm::add(Token token) {
    const std::size_t count = tokens_.size();
    // A sign goes into the parameter that its number becomes.
    if (token.kind != Kind::other && count > 0 && tokens_.back().text == "-") tokens_.pop_back();
    if (token.kind == Kind::parameter) parameters_ = std::max(parameters_, number_of(token.text));
    // The field of extract() is a constant to the server.
    if (token.kind == Kind::other && is_letter(token.text.front()) && count > 1 &&
        tokens_[count - 1].text == "(" && is_word(tokens_[count - 2].text, "extract"))
        token.kind = Kind::value;
    tokens_.push_back(token);
}

bool StatementForm::is_shown_as(const StatementForm& told) const noexcept {
    const auto is_shown = [this](const Token& here, const Token& there) {
        if (here.text == there.text) return true;
        return here.kind == Kind::value && there.kind == Kind::parameter &&
               number_of(there.text) > parameters_;
    };
    return std::ranges::equal(tokens_, told.tokens_, is_shown);
}

ServerUses::ServerUses(const ServerStatistics& statistics) {
    for (const ServerUse& use : statistics.statements) {
        StatementForm form(use.text);
        std::vector<Known>& alike = known_[form.key()];
        alike.push_back({std::move(form), &use});
    }
}

std::optional<ServerUse> ServerUses::of(std::string_view text) const {
    const StatementForm form(text);
    const auto alike = known_.find(form.key());
    if (alike == known_.end()) return std::nullopt;
    std::optional<ServerUse> sum;
    for (const Known& each : alike->second) {
        if (!form.is_shown_as(each.form)) continue;
        if (sum)
            add_to(*sum, *each.use);
        else
            sum = *each.use;
    }
    return sum;
}

}  // namespace loadstone::store
