#include "loadstone/cache/fills.h"

#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "loadstone/cache/sql.h"
#include "loadstone/runtime/event.h"
#include "loadstone/store/tx.h"

namespace loadstone::cache {

namespace {

std::int64_t micros(std::chrono::milliseconds time) {
    return std::chrono::microseconds(time).count();
}

// What is told to others must not be taken back because nobody waits for this one any more.
constexpr std::chrono::seconds own_deadline{5};
// To ask whether another node makes it takes no longer: a primary that is away holds up nobody.
constexpr std::chrono::seconds agreement_max{1};

}  // namespace

struct Fills::Request {
    std::int64_t id;
    std::string view, key, holder, history, state;
    std::int64_t lease_us;
};

Fills::Fills(store::Database& database, Follower& follower, const FillOptions& options,
             telemetry::Registry& registry)
    : database_(database),
      follower_(follower),
      options_(options),
      computed_(registry.counter("loadstone_cache_fills_computed_total", "",
                                 "Computations that were made for all nodes")),
      shared_(registry.counter("loadstone_cache_fills_shared_total", "",
                               "Answers of other nodes that were taken")),
      waited_(registry.counter("loadstone_cache_fills_waited_total", "",
                               "Computations of other nodes that were waited for")),
      unusable_(registry.counter("loadstone_cache_fills_unusable_total", "",
                                 "Answers of other nodes that were found to be no longer true, or "
                                 "not to be surely so")),
      too_large_(registry.counter("loadstone_cache_fills_too_large_total", "",
                                  "Answers that each node computes for itself for their size")),
      taken_over_(registry.counter("loadstone_cache_fills_taken_over_total", "",
                                   "Leases of computations that were over before their end")) {}

namespace {

// One statement each; nothing of them is a session's.
Task<void> claim_in(store::Tx& tx, std::int64_t id, std::string_view view, std::string_view key,
                    std::string_view holder, std::int64_t lease_us, std::string_view history,
                    std::string_view state, std::string_view seen, std::uint64_t& rows) {
    if (seen.empty()) {
        rows = co_await sql::begin_fill(tx, id, view, key, holder, lease_us, history, state);
    } else {
        rows = co_await sql::take_fill(tx, id, view, key, holder, lease_us, history, state, seen);
    }
}

Task<void> end_in(store::Tx& tx, std::int64_t id, std::string_view holder,
                  std::string_view position, std::string_view tags, std::string_view answer) {
    co_await sql::end_fill(tx, id, holder, position, tags, answer);
}

Task<void> leave_in(store::Tx& tx, std::int64_t id, std::string_view holder) {
    co_await sql::leave_fill(tx, id, holder);
}

Task<void> prune_in(store::Tx& tx, std::int64_t kept_us) { co_await sql::prune_fills(tx, kept_us); }

}  // namespace

Task<bool> Fills::claim(Context& context, const Request& request, std::string seen) {
    Context own(context.services(), context.deadline());
    std::uint64_t rows = 0;
    const store::TxBody body = [&](store::Tx& tx) {
        return claim_in(tx, request.id, request.view, request.key, request.holder, request.lease_us,
                        request.history, request.state, seen, rows);
    };
    co_await database_.transact(own, body);
    co_return rows == 1;
}

Task<Fills::Begun> Fills::begin(Context& context, std::uint64_t id, std::string_view view,
                                std::string_view key, Follower::Now now) {
    Begun begun;
    if (key.size() > options_.key_bytes_max) {
        too_large_.add();
        co_return begun;
    }
    const Request request{static_cast<std::int64_t>(id),
                          std::string(view),
                          std::string(key),
                          secret_token(16),
                          now.history,
                          now.state,
                          micros(options_.lease)};
    // For one computation: what is too large to be told, or changes while it is computed, nodes
    // would compute in turn else, each waiting for all before it.
    std::string waited_for;
    for (;;) {
        Context own(context.services(), context.deadline().sooner(Deadline::in(agreement_max)));
        own.reading().freshness = latest;
        Reader reader(own, database_.read_connection(), latest);
        const auto row = co_await sql::fill(reader, request.id);
        const bool is_same = row && row->of_view == request.view && row->key == request.key;
        if (row && !is_same && row->left_us > 0) co_return begun;  // another key of this hash
        if (is_same && row->answer) {
            const auto position = runtime::position_from(row->position);
            Tags tags = tags_from(row->tags);
            std::optional<std::uint64_t> epoch;
            if (position && -row->left_us < micros(options_.kept))
                epoch = co_await follower_.epoch_of(context, row->history, row->state, tags);
            if (epoch) {
                shared_.add();
                begun.answer = SharedAnswer{*row->answer, std::move(tags), *epoch, *position};
                co_return begun;
            }
            unusable_.add();
        } else if (is_same && row->left_us > 0) {
            if (waited_for.empty()) waited_.add();
            if (!waited_for.empty() && waited_for != row->holder) co_return begun;
            waited_for = row->holder;
            context.throw_if_done("a view that another node computes");
            runtime::Event never;
            const Deadline look = Deadline::in(options_.look_every).sooner(context.deadline());
            co_await never.wait(look);
            continue;
        } else if (is_same) {
            taken_over_.add();
        }
        std::string seen = row ? row->holder : std::string();
        const bool is_mine = co_await claim(context, request, std::move(seen));
        if (!is_mine && !waited_for.empty()) co_return begun;
        if (!is_mine) continue;
        computed_.add();
        begun.holder = request.holder;
        co_return begun;
    }
}

Task<void> Fills::end(Context& context, std::uint64_t id, std::string holder,
                      const SharedAnswer& answer) {
    if (answer.json.size() > options_.answer_bytes_max) {
        too_large_.add();
        co_await leave(id, std::move(holder), context.services());
        co_return;
    }
    Context own(context.services(), Deadline::in(own_deadline));
    const std::string position = runtime::to_text(answer.position);
    const std::string tags = text_of(answer.tags);
    const auto key = static_cast<std::int64_t>(id);
    const store::TxBody body = [&](store::Tx& tx) {
        return end_in(tx, key, holder, position, tags, answer.json);
    };
    co_await database_.transact(own, body);
}

Task<void> Fills::leave(std::uint64_t id, std::string holder, const runtime::Services& services) {
    Context own(services, Deadline::in(own_deadline));
    const auto key = static_cast<std::int64_t>(id);
    const store::TxBody body = [&](store::Tx& tx) { return leave_in(tx, key, holder); };
    co_await database_.transact(own, body);
}

Task<void> Fills::prune(Context& context) {
    const std::int64_t kept_us = micros(options_.kept);
    const store::TxBody body = [&](store::Tx& tx) { return prune_in(tx, kept_us); };
    co_await database_.transact(context, body);
}

}  // namespace loadstone::cache
