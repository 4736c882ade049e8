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

// The record was made by another process between our look and our insert.
struct RecordTaken {};

struct KeyedWrite {
    const runtime::IdempotencyKey* key = nullptr;
    int number = 0;
    const TxBody* body = nullptr;
    const internal::ResultCodec* codec = nullptr;
    std::optional<std::string> recorded;
};

Task<void> record(Tx& tx, const KeyedWrite& write) {
    const std::string result = write.codec->encode();
    const Timestamp now = Timestamp::now();
    bool taken = false;
    try {
        co_await tx.exec(sql::record_result, write.key->scope_and_key, write.number,
                         write.key->request_fingerprint, result, now);
    } catch (const Error& error) {
        if (error.code() != Errc::already_exists) throw;
        taken = true;
    }
    if (taken) throw RecordTaken{};
}

Task<void> run_keyed(Tx& tx, KeyedWrite& write) {
    const std::string& key = write.key->scope_and_key;
    write.recorded.reset();
    auto found = co_await tx.maybe<RecordedResult>(sql::recorded_result, key, write.number);
    if (!found) {
        co_await (*write.body)(tx);
        co_await record(tx, write);
        co_return;
    }
    if (found->fingerprint != write.key->request_fingerprint) {
        throw Error(Errc::invalid_argument,
                    "this Idempotency-Key was used before, with another request")
            .with_field("Idempotency-Key");
    }
    write.recorded = std::move(found->result);
}

}  // namespace

Task<std::uint64_t> prune_idempotency(Tx& tx, Timestamp older_than) {
    co_return co_await tx.exec(sql::prune_results, older_than, prune_max);
}

namespace internal {

Task<void> write_once(Context& context, TxBody body, ResultCodec codec) {
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
    bool again = false;
    try {
        co_await database.transact(context, keyed);
    } catch (const RecordTaken&) {
        again = true;
    }
    if (again) co_await database.transact(context, keyed);
    if (write.recorded) {
        codec.decode(*write.recorded);
        key->replayed = true;
    }
}

}  // namespace internal

}  // namespace loadstone::store
