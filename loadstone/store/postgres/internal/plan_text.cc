#include "loadstone/store/postgres/internal/plan_text.h"

#include <charconv>
#include <vector>

namespace loadstone::store::postgres {

namespace {

constexpr std::uint64_t block_bytes = 8'192;
constexpr std::string_view costs = "  (cost=";

// What follows `name` in the text as a number; nothing if it is not there.
std::optional<double> number_after(std::string_view text, std::string_view name) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) return std::nullopt;
    const char* const begin = text.data() + at + name.size();
    double number = 0;
    const auto [end, failure] = std::from_chars(begin, text.data() + text.size(), number);
    if (failure != std::errc()) return std::nullopt;
    return number;
}

struct Node {
    std::size_t indent;
    double loops = 0;
    bool reads_rows = false;  // of a table or an index
};

// A bitmap's index scan gives places, whose rows the heap scan above it reads.
bool reads_rows(std::string_view step) {
    const auto scan = step.find("Scan");
    if (scan == std::string_view::npos) return false;
    for (const std::string_view other :
         {"Bitmap Index Scan", "Subquery Scan", "CTE Scan", "WorkTable Scan", "Function Scan",
          "Values Scan", "Named Tuplestore Scan"}) {
        if (step.starts_with(other)) return false;
    }
    return true;
}

}  // namespace

ExplainedPlan read_plan(std::string_view text) {
    ExplainedPlan plan;
    std::vector<Node> open;  // from the root to the node that was read last
    double scanned = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const std::size_t indent = line.find_first_not_of(' ');
        if (indent == std::string_view::npos) continue;
        line.remove_prefix(indent);
        const auto at = line.find(costs);
        if (at != std::string_view::npos) {
            while (!open.empty() && open.back().indent >= indent) open.pop_back();
            if (line.starts_with("->  ")) line.remove_prefix(4);
            const std::string_view step = line.substr(0, line.find(costs));
            const std::string_view numbers = line.substr(step.size());
            PlanStep& one = plan.steps.emplace_back();
            one.depth = static_cast<int>(open.size());
            one.step = step;
            one.estimated_rows = number_after(numbers, " rows=");
            Node& node = open.emplace_back(Node{indent});
            node.reads_rows = reads_rows(step);
            const auto actual = numbers.find("(actual ");
            if (actual != std::string_view::npos) {
                plan.is_analyzed = true;
                const std::string_view real = numbers.substr(actual);
                node.loops = number_after(real, "loops=").value_or(0);
                one.rows = number_after(real, "rows=").value_or(0) * node.loops;
                if (node.reads_rows) scanned += *one.rows;
            } else if (numbers.find("never executed") != std::string_view::npos) {
                one.rows = 0;
            }
            continue;
        }
        if (plan.steps.empty() || open.empty()) continue;
        // The first of them is of the root and sums up all.
        if (const auto written = number_after(line, "temp read="); written && plan.temp_bytes == 0)
            plan.temp_bytes =
                static_cast<std::uint64_t>(number_after(line, " written=").value_or(0)) *
                block_bytes;
        if (line.starts_with("Rows Removed by Filter: ") ||
            line.starts_with("Rows Removed by Index Recheck: ")) {
            if (open.back().reads_rows)
                scanned += number_after(line, ": ").value_or(0) * open.back().loops;
        }
        if (line.starts_with("Planning") || line.starts_with("Execution")) {
            open.clear();  // what follows is not of a node
            continue;
        }
        plan.steps.back().details.emplace_back(line);
    }
    if (plan.is_analyzed && !plan.steps.empty())
        plan.rows = static_cast<std::uint64_t>(plan.steps.front().rows.value_or(0));
    plan.scanned = static_cast<std::uint64_t>(scanned);
    return plan;
}

}  // namespace loadstone::store::postgres
