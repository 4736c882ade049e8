#include "loadstone/analytics/clickhouse/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "loadstone/base/random.h"

namespace loadstone::analytics::clickhouse {

using std::chrono::milliseconds;

// An epoch's own commits are written before its row in loadstone_epochs, and the joined table is
// read first: the epoch that is found has its commits.
const char* const last_batches =
    "(SELECT arrayPushBack(lasts, last) FROM (SELECT epoch, max(batch) AS last FROM "
    "loadstone_commits GROUP BY epoch) ANY INNER JOIN loadstone_epochs USING epoch "
    "ORDER BY epoch DESC LIMIT 1)";

namespace {

constexpr std::int64_t epochs_max = 1'000'000;
constexpr std::size_t id_bytes = 16;

const char* const columns =
    "epoch, version, batch, fact, low, high, seq, as_of, shown, made, run, next_key";

const char* const tables[] = {
    // The id of the greatest epoch counts: one that comes late is of an epoch before it.
    "CREATE TABLE IF NOT EXISTS loadstone_store (epoch UInt32, id String) ENGINE = MergeTree ORDER "
    "BY epoch",
    // One row in the end: the greatest epoch.
    "CREATE TABLE IF NOT EXISTS loadstone_epochs (id UInt8, epoch UInt32, lasts Array(UInt32)) "
    "ENGINE = ReplacingMergeTree(epoch) ORDER BY id",
    // The last one of each epoch, of the feed (fact = ''), whose `run` is its history, and of each
    // table.
    "CREATE TABLE IF NOT EXISTS loadstone_commits (epoch UInt32, version UInt32, batch UInt32, "
    "fact String, low Int64, high Int64, seq Int64, as_of Int64, shown UInt32, made UInt32, "
    "run Int64, next_key Int64) ENGINE = ReplacingMergeTree(version) ORDER BY (epoch, fact)"};

// "[1,2,3]"
std::vector<std::int64_t> numbers(std::string_view text) {
    std::vector<std::int64_t> all;
    text = text.substr(1, text.size() - 2);
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(','));
        all.push_back(number_of(one));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
    }
    return all;
}

}  // namespace

bool Ledger::has_tables(milliseconds timeout) {
    // Made in this order, so with the last one all are there.
    const auto found = client_.table(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = "
        "'loadstone_commits'",
        timeout);
    return found.at(0).at(0) != "0";
}

void Ledger::read(milliseconds timeout) {
    store_.clear();
    epoch_ = batch_ = version_ = as_of_ = history_ = 0;
    position_ = {};
    lasts_.clear();
    generations_.clear();
    if (!has_tables(timeout)) return;
    for (const auto& row :
         client_.table("SELECT id FROM loadstone_store ORDER BY epoch DESC LIMIT 1", timeout))
        store_ = row.at(0);
    for (const auto& row : client_.table(
             "SELECT epoch, lasts FROM loadstone_epochs ORDER BY epoch DESC LIMIT 1", timeout)) {
        epoch_ = number_of(row.at(0));
        lasts_ = numbers(row.at(1));
    }
    const auto commits = client_.table(
        fmt::format("SELECT {} FROM loadstone_commits WHERE epoch = {} ORDER BY version", columns,
                    epoch_),
        timeout);
    for (const auto& row : commits) {
        version_ = std::max(version_, number_of(row.at(1)));
        batch_ = std::max(batch_, number_of(row.at(2)));
        if (row.at(3).empty()) {
            position_ = {number_of(row.at(4)), number_of(row.at(5)), number_of(row.at(6))};
            as_of_ = number_of(row.at(7));
            history_ = number_of(row.at(10));
        } else {
            generations_[row.at(3)] = {number_of(row.at(8)), number_of(row.at(9)),
                                       number_of(row.at(10)), number_of(row.at(11))};
        }
    }
}

void Ledger::begin(std::int64_t epoch, milliseconds timeout) {
    for (const char* table : tables) client_.run(table, timeout);
    read(timeout);
    if (epoch <= epoch_ || epoch > epochs_max)
        throw Error(Errc::conflict,
                    fmt::format("epoch {} cannot follow epoch {} of the column store, {} are the "
                                "most",
                                epoch, epoch_, epochs_max));
    if (store_.empty()) {
        store_ = secret_token(id_bytes);
        client_.insert("INSERT INTO loadstone_store (epoch, id) VALUES",
                       fmt::format("({},'{}')", epoch, store_), timeout);
    }
    if (epoch_ > 0) lasts_.push_back(batch_);
    lasts_.resize(static_cast<std::size_t>(epoch - 1));
    epoch_ = epoch;
    batch_ = version_ = 0;
    std::string rows = row_of("");
    for (const auto& [fact, generations] : generations_) rows += "," + row_of(fact);
    write(rows, timeout);
    client_.insert("INSERT INTO loadstone_epochs (id, epoch, lasts) VALUES",
                   fmt::format("(1,{},[{}])", epoch_, fmt::join(lasts_, ",")), timeout);
}

std::string Ledger::row_of(const std::string& fact) const {
    const Generations of = generations(fact);
    return fmt::format("({},{},{},'{}',{},{},{},{},{},{},{},{})", epoch_, version_, batch_, fact,
                       position_.low, position_.high, position_.seq, as_of_, of.shown, of.made,
                       fact.empty() ? history_ : of.run, of.next_key);
}

void Ledger::write(const std::string& rows, milliseconds timeout) {
    client_.insert(fmt::format("INSERT INTO loadstone_commits ({}) VALUES", columns), rows,
                   timeout);
}

void Ledger::commit(const Position& position, std::int64_t history, std::int64_t as_of,
                    milliseconds timeout) {
    ++version_;
    ++batch_;
    position_ = position;
    history_ = history;
    as_of_ = as_of;
    write(row_of(""), timeout);
}

void Ledger::commit(const std::string& fact, const Generations& generations, milliseconds timeout) {
    ++version_;
    ++batch_;
    generations_[fact] = generations;
    write(row_of(fact), timeout);
}

void Ledger::touch(std::int64_t as_of, milliseconds timeout) {
    ++version_;
    as_of_ = std::max(as_of_, as_of);
    write(row_of(""), timeout);
}

bool Ledger::is_greatest(milliseconds timeout) {
    const auto rows = client_.table("SELECT max(epoch) FROM loadstone_epochs", timeout);
    return number_of(rows.at(0).at(0)) == epoch_;
}

void Ledger::require_greatest(milliseconds timeout) {
    if (is_greatest(timeout)) return;
    throw Error(Errc::conflict,
                fmt::format("epoch {} of the column store is over: another server feeds it, or "
                            "another database",
                            epoch_));
}

Generations Ledger::generations(const std::string& fact) const {
    const auto at = generations_.find(fact);
    return at == generations_.end() ? Generations{} : at->second;
}

internal::StoreVersion read_version(Client& client, milliseconds timeout) {
    try {
        const auto rows = client.table(
            "SELECT max(epoch), max(batch), max(as_of) FROM loadstone_commits WHERE epoch IN "
            "(SELECT max(epoch) FROM loadstone_epochs)",
            timeout);
        const auto& row = rows.at(0);
        return {number_of(row.at(0)), number_of(row.at(1)), number_of(row.at(2))};
    } catch (const Error& error) {
        if (error.code() != Errc::invalid_argument) throw;
        throw Error(Errc::unavailable, "ClickHouse: no server has brought facts there yet");
    }
}

}  // namespace loadstone::analytics::clickhouse
