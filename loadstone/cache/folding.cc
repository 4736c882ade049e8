#include "loadstone/cache/folding.h"

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/sql.h"

namespace loadstone::cache {

namespace {

constexpr std::chrono::seconds fold_deadline{10};
constexpr std::chrono::milliseconds again_after{5'000};  // where it has failed

Task<void> fold_in(store::Tx& tx, std::int64_t& rows) {
    tx.see_commits();
    rows = co_await sql::fold_ranks(tx, Folding::rows_max);
}

}  // namespace

Folding::Folding(store::Database& database, std::span<const Aggregate* const> aggregates,
                 std::chrono::milliseconds every, telemetry::Registry& registry)
    : database_(database),
      is_needed_(database.dialect() == store::Dialect::postgres &&
                 std::ranges::any_of(
                     aggregates,
                     [](const Aggregate* each) { return each->kind == AggregateKind::ranked; })),
      every_(every),
      folded_(registry.counter("loadstone_aggregates_folded_total", "",
                               "Deltas of ranked sums that became part of the ranks")) {}

Task<void> Folding::fold(Context& context) {
    if (!is_needed_ || !is_written_.exchange(false)) co_return;
    try {
        std::int64_t rows = rows_max;
        while (rows == rows_max) {
            const store::TxBody body = [&rows](store::Tx& tx) { return fold_in(tx, rows); };
            co_await database_.transact(context, body);
            folded_.add(static_cast<std::uint64_t>(rows));
        }
    } catch (...) {
        is_written_ = true;
        throw;
    }
}

Task<void> Folding::run(const runtime::Services& services, runtime::Event& stop) {
    bool has_ended = !is_needed_;
    while (!has_ended) {
        auto pause = every_;
        try {
            Context context(services, Deadline::in(fold_deadline));
            co_await fold(context);
        } catch (const Error& error) {
            log::warning("what was added to ranked sums could not be folded; it is tried again",
                         {{"error", error.message()}});
            pause = std::max(every_, again_after);
        }
        const Deadline next = Deadline::in(pause);
        has_ended = co_await stop.wait(next);
    }
}

}  // namespace loadstone::cache
