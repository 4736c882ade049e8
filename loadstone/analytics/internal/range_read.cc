#include "loadstone/analytics/internal/range_read.h"

#include <string_view>
#include <unordered_map>

#include "loadstone/analytics/internal/feed_rows.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

// Facts that wait, by their bytes: how many of each. False: too many, or of another form of the
// table, which cannot be compared.
using Waiting = std::unordered_map<std::string, std::int64_t>;
Task<bool> read_waiting(Reader reader, const RangeQuestion& question, Waiting* waiting) {
    std::int64_t found = 0;
    bool has_other_form = false;
    const std::int64_t form = question.table->schema.id;
    const auto& tables = reader.context().services().get<Recorder>().tables();
    auto take = [&](const StoredFact& fact) {
        ++found;
        if (fact.form == form) {
            const auto* bytes = reinterpret_cast<const char*>(fact.body.data());
            ++(*waiting)[std::string(bytes, fact.body.size())];
            return;
        }
        bool is_of_another_table = false;
        for (const FactTable& table : tables)
            is_of_another_table = is_of_another_table || table.schema.id == fact.form;
        has_other_form = has_other_form || !is_of_another_table;
    };
    const Position& at = question.position;
    const std::int64_t limit = range_waiting_max + 1;
    co_await reader.each<StoredFact>(sql::facts_behind, take, at.low, at.high, at.seq, limit);
    co_return found <= range_waiting_max && !has_other_form;
}

}  // namespace

Task<void> read_range(Tx& tx, RangeQuestion question, RangeRead* answer) {
    *answer = RangeRead{};
    answer->from = question.from;
    answer->end = question.end;
    const Reader reader = tx;
    Reader own = reader;
    const auto noted = co_await own.maybe<FeedState>(sql::feed_state);
    Waiting waiting;
    const bool is_comparable = co_await read_waiting(reader, question, &waiting);
    answer->is_late = !noted || noted->position() != question.position || !is_comparable;
    if (answer->is_late) co_return;
    const FactTable& table = *question.table;
    answer->last_key = co_await table.back_fill.last_key(reader);
    WireWriter to(answer->rows);
    auto take = [&](const void* fact) {
        if (answer->rows.size() > question.bytes_max) {
            answer->is_too_large = true;
            return;
        }
        const std::string bytes = row_bytes(*table.type, fact);
        const auto at = waiting.find(bytes);
        if (at != waiting.end() && at->second > 0) {
            --at->second;
            return;
        }
        to.integer(0);
        to.text(bytes);
        ++answer->facts;
    };
    const BackFill::Sink sink = take;
    co_await table.back_fill.read(reader, question.from, question.end, sink);
}

}  // namespace loadstone::analytics::internal
