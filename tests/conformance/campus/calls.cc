#include "tests/conformance/campus/calls.h"

namespace tests::conformance {

using loadstone::Context;
using loadstone::Error;
using loadstone::Reader;
using loadstone::Task;
using loadstone::Tx;

namespace {

Task<Given> read(Context& context, const Call* call) {
    co_return co_await call->read(context.reader());
}

Task<void> keep(Tx& tx, const WriteCall& call, Given& out) {
    Given made = co_await call(tx);
    out = std::move(made);
}

Task<Given> write(Context& context, const Call* call) {
    Given result;
    const loadstone::store::TxBody body = [&](Tx& tx) { return keep(tx, call->write, result); };
    co_await context.services().get<loadstone::store::Database>().transact(context, body);
    co_return result;
}

}  // namespace

std::string without_clock(std::string json) {
    constexpr std::size_t length = std::string_view("\"2026-01-31T12:00:00.000000Z\"").size();
    for (auto at = json.find("\"20"); at != std::string::npos; at = json.find("\"20", at + 1)) {
        if (at + length > json.size()) break;
        const bool is_time = json.compare(at + length - 2, 2, "Z\"") == 0 && json[at + 11] == 'T';
        if (is_time) json.replace(at, length, "\"now\"");
    }
    return json;
}

Given run(TestStore& store, const Call& call) {
    try {
        return call.write ? store.run(write, &call) : store.run(read, &call);
    } catch (const Error& error) {
        return {"error: " + std::string(to_string(error.code())), false};
    }
}

}  // namespace tests::conformance
