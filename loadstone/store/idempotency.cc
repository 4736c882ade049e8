#include "loadstone/store/idempotency.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/internal/keys_in_progress.h"
#include "loadstone/store/sql.h"

namespace loadstone::store {

namespace {

struct RecordedResult {
    std::string fingerprint;
    std::string result;
};
BOOST_DESCRIBE_STRUCT(RecordedResult, (), (fingerprint, result))

struct KeyedWrite {
    const runtime::IdempotencyKey* key = nullptr;
    int number = 0;
    const TxBody* body = nullptr;
    const internal::ResultCodec* codec = nullptr;
    std::optional<std::string> recorded;
};

// The key is taken before the body runs: of two processes at once, the second waits at the primary
// key until the first has committed, and then finds its result.
Task<void> run_keyed(Tx& tx, KeyedWrite& write) {
    const std::string& key = write.key->scope_and_key;
    const Timestamp now = Timestamp::now();
    write.recorded.reset();
    const auto taken =
        co_await tx.exec(sql::take_key, key, write.number, write.key->request_fingerprint, now);
    if (taken == 1) {
        co_await (*write.body)(tx);
        const std::string result = write.codec->encode();
        co_await tx.exec(sql::record_result, key, write.number, result);
        co_return;
    }
    auto found = co_await tx.one<RecordedResult>(sql::recorded_result, key, write.number);
    if (found.fingerprint != write.key->request_fingerprint) {
        throw Error(Errc::invalid_argument,
                    "this Idempotency-Key was used before, with another request")
            .with_field("Idempotency-Key");
    }
    write.recorded = std::move(found.result);
}

}  // namespace

Task<std::uint64_t> prune_idempotency(Tx& tx, Timestamp older_than) {
    co_return co_await tx.exec(sql::prune_results, older_than, prune_max);
}

namespace internal {

Task<void> write_once(Context& context, TxBody body, ResultCodec codec) {
    context.require_no_transaction("context.write()");
    auto& database = context.services().get<Database>();
    auto& key = context.idempotency();
    if (!key) {
        co_await database.transact(context, std::move(body));
        co_return;
    }
    KeyedWrite write;
    write.key = &*key;
    write.number = key->writes++;
    write.body = &body;
    write.codec = &codec;
    const auto hold =
        database.keys_in_progress().hold(fmt::format("{}/{}", key->scope_and_key, write.number));
    const TxBody keyed = [&write](Tx& tx) { return run_keyed(tx, write); };
    co_await database.transact(context, keyed);
    if (write.recorded) {
        codec.decode(*write.recorded);
        key->replayed = true;
    }
}

}  // namespace internal

}  // namespace loadstone::store
