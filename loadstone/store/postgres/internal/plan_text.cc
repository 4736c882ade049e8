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
    bool adds_up = false;     // it, or a node above it
    bool joins_by_loop = false;
    double estimated_loops = 1;
    double estimated_rows_of_first = 0;  // node below it; 0: there is none yet
};

bool adds_up(std::string_view step) {
    return step.find("Aggregate") != std::string_view::npos || step.starts_with("WindowAgg") ||
           step.starts_with("Unique") || step.starts_with("Group");
}

// "Parallel Seq Scan on items i", "Seq Scan on "Odd Name" o"
std::string whole_table(std::string_view step) {
    const auto at = step.find("Seq Scan on ");
    if (at == std::string_view::npos) return {};
    const std::string_view name = step.substr(at + std::string_view("Seq Scan on ").size());
    const bool is_quoted = name.starts_with('"');
    const auto end = name.find(is_quoted ? '"' : ' ', 1);
    return std::string(name.substr(0, is_quoted ? end + 1 : end));
}

// Of all times that the node runs, as the planner thinks: the second below a loop's join runs for
// each row of the first.
double estimated_rows(Node& node, Node* parent, double rows) {
    if (parent == nullptr) return rows;
    node.estimated_loops = parent->estimated_loops;
    if (parent->joins_by_loop) {
        if (parent->estimated_rows_of_first > 0)
            node.estimated_loops *= parent->estimated_rows_of_first;
        else
            parent->estimated_rows_of_first = rows;
    }
    return rows * node.estimated_loops;
}

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
    double scanned = 0, added_up = 0, estimated = 0;
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
            const bool is_below = !open.empty() && open.back().adds_up;
            Node& node = open.emplace_back(Node{indent});
            node.reads_rows = reads_rows(step);
            node.adds_up = is_below || adds_up(step);
            node.joins_by_loop = step.starts_with("Nested Loop");
            const double planned =
                estimated_rows(node, open.size() > 1 ? &open[open.size() - 2] : nullptr,
                               one.estimated_rows.value_or(0));
            if (node.adds_up && node.reads_rows) {
                estimated += planned;
                if (auto table = whole_table(step); !table.empty())
                    plan.added_up_tables.push_back(std::move(table));
            }
            const auto actual = numbers.find("(actual ");
            if (actual != std::string_view::npos) {
                plan.is_analyzed = true;
                const std::string_view real = numbers.substr(actual);
                node.loops = number_after(real, "loops=").value_or(0);
                one.rows = number_after(real, "rows=").value_or(0) * node.loops;
                if (node.reads_rows) scanned += *one.rows;
                if (node.reads_rows && node.adds_up) added_up += *one.rows;
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
            const double removed = number_after(line, ": ").value_or(0) * open.back().loops;
            if (open.back().reads_rows) scanned += removed;
            if (open.back().reads_rows && open.back().adds_up) added_up += removed;
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
    plan.added_up = static_cast<std::uint64_t>(plan.is_analyzed ? added_up : estimated);
    return plan;
}

}  // namespace loadstone::store::postgres
