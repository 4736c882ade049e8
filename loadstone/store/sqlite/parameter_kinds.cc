#include "loadstone/store/sqlite/parameter_kinds.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string_view>

namespace loadstone::store::sqlite {

namespace {

constexpr int affinity_mask = 0x47;  // of P5 of a comparison

struct Operation {
    std::string_view code;
    int p1 = 0, p2 = 0, p3 = 0, p5 = 0;
    std::string_view p4;
};

// Which register of its operands an operation writes.
int written_by(const Operation& one) {
    constexpr std::string_view second[] = {"Rowid", "Integer", "Int64",   "Real",     "String8",
                                           "Null",  "SCopy",   "String",  "NewRowid", "IdxRowid",
                                           "Copy",  "IntCopy", "Sequence"};
    constexpr std::string_view third[] = {
        "Column", "Add",      "Subtract", "Multiply", "Divide",     "Remainder", "Concat",    "And",
        "Or",     "Function", "PureFunc", "VColumn",  "MakeRecord", "AggFinal",  "ZeroOrNull"};
    if (std::ranges::find(second, one.code) != std::end(second)) return one.p2;
    return std::ranges::find(third, one.code) != std::end(third) ? one.p3 : 0;
}

bool compares(std::string_view code) {
    constexpr std::string_view all[] = {"Eq", "Ne", "Lt", "Le", "Gt", "Ge"};
    return std::ranges::find(all, code) != std::end(all);
}

bool seeks_rowid(const Operation& one) {
    if (one.code == "SeekRowid" || one.code == "NotExists") return true;
    return one.code.starts_with("Seek") && one.code.size() == 6 && one.p4.empty();  // SeekGE ..
}

// Follows the parameters through the registers.
class Kinds {
public:
    explicit Kinds(int count) : kinds_(static_cast<std::size_t>(count)) {}

    void see(const Operation& one) {
        if (one.code == "Affinity" || one.code == "MakeRecord") {
            for (std::size_t i = 0; i < one.p4.size() && i < static_cast<std::size_t>(one.p2); ++i)
                goes_to(one.p1 + static_cast<int>(i), one.p4[i]);
        } else if (compares(one.code)) {
            goes_to(one.p1, static_cast<char>(one.p5 & affinity_mask));
            goes_to(one.p3, static_cast<char>(one.p5 & affinity_mask));
        } else if (seeks_rowid(one)) {
            goes_to(one.p3, affinity_integer);
        } else if (one.code == "MustBeInt") {
            goes_to(one.p1, affinity_integer);
        }
        if (one.code == "Variable") {
            registers_[one.p2] = one.p1;
        } else if ((one.code == "SCopy" || one.code == "Copy") && registers_.contains(one.p1)) {
            registers_[one.p2] = registers_[one.p1];
        } else {
            registers_.erase(written_by(one));
        }
    }
    std::vector<ParameterKind> take() { return std::move(kinds_); }

private:
    static constexpr char affinity_numeric = 0x43, affinity_integer = 0x44, affinity_real = 0x45;

    void goes_to(int in_register, char affinity) {
        const auto found = registers_.find(in_register);
        if (found == registers_.end() || found->second < 1 ||
            found->second > static_cast<int>(kinds_.size()))
            return;
        ParameterKind& kind = kinds_[static_cast<std::size_t>(found->second - 1)];
        if (affinity == affinity_integer) kind = ParameterKind::integer;
        if ((affinity == affinity_numeric || affinity == affinity_real) &&
            kind == ParameterKind::any)
            kind = ParameterKind::number;
    }

    std::vector<ParameterKind> kinds_;
    std::map<int, int> registers_;  // to parameters
};

template <class Number>
bool is_a(const std::string& text) {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, number);
    return failure == std::errc() && stop == end;
}

std::string_view text_of(sqlite3_stmt* statement, int column) {
    const auto* text = sqlite3_column_text(statement, column);
    return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

}  // namespace

std::vector<ParameterKind> parameter_kinds(sqlite3* db, const std::string& sql, int count) {
    sqlite3_stmt* prepared = nullptr;
    sqlite3_prepare_v2(db, ("explain " + sql).c_str(), -1, &prepared, nullptr);
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> program(prepared,
                                                                        &sqlite3_finalize);
    struct Line {
        std::string code, p4;
        Operation operation;
    };
    std::vector<Line> lines;
    while (prepared != nullptr && sqlite3_step(prepared) == SQLITE_ROW) {
        Line& line = lines.emplace_back();
        line.code = text_of(prepared, 1);
        line.p4 = text_of(prepared, 5);
        line.operation.p1 = sqlite3_column_int(prepared, 2);
        line.operation.p2 = sqlite3_column_int(prepared, 3);
        line.operation.p3 = sqlite3_column_int(prepared, 4);
        line.operation.p5 = sqlite3_column_int(prepared, 6);
    }
    Kinds kinds(count);
    if (lines.empty()) return kinds.take();
    // It begins where Init says, with what is constant, and then goes on behind Init.
    const auto begin = std::clamp<int>(lines[0].operation.p2, 1, static_cast<int>(lines.size()));
    std::rotate(lines.begin(), lines.begin() + begin, lines.end());
    for (Line& line : lines) {
        line.operation.code = line.code;
        line.operation.p4 = line.p4;
        kinds.see(line.operation);
    }
    return kinds.take();
}

std::string kind_missed(ParameterKind kind, const std::string& value) {
    if (kind == ParameterKind::any || is_a<std::int64_t>(value)) return {};
    if (kind == ParameterKind::integer) return "an int of 64 bits";
    const bool is_fraction = value.find_first_of(".eE") != std::string::npos;
    return is_fraction && is_a<double>(value) ? "" : "a number";
}

}  // namespace loadstone::store::sqlite
