#pragma once
// Ledger: what has been taken into the store. ClickHouse has no transactions; this makes them of
// single inserts (ADR 25).
//
// Each row of facts says in which epoch and batch it came. A batch is there when its row stands in
// loadstone_commits, which is written last and is one row. An epoch is a beginning of the feed: its
// row in loadstone_epochs, written behind the commits that it begins with, says for each epoch
// before it which batch was the last that it found. So
//
//   1. the greatest epoch says alone what is there: `lasts`, and its own last commit;
//   2. a row of facts is there if and only if its batch is at most the last of its epoch;
//   3. what comes late from who fed the store before, rows or commits or epochs, is of an epoch and
//      a batch that the greatest epoch did not find: it is not there, and nothing makes it so.
//
// Commits of a table of facts say besides which generation of its rows is shown, and how far the
// next one has been made (generations.h).

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "loadstone/analytics/clickhouse/client.h"
#include "loadstone/analytics/clickhouse/generations.h"
#include "loadstone/analytics/internal/store_version.h"
#include "loadstone/analytics/position.h"

namespace loadstone::analytics::clickhouse {

// A scalar subquery: the last batch of each epoch, by the epoch's number (from 1).
extern const char* const last_batches;

class Ledger {
public:
    explicit Ledger(Client& client) : client_(client) {}

    // As the store has it. A store that nobody has fed has no name and epoch 0.
    void read(std::chrono::milliseconds timeout);
    // Makes the tables, and begins `epoch` with what is there. Errors: conflict unless it is above
    // the greatest.
    void begin(std::int64_t epoch, std::chrono::milliseconds timeout);

    // Behind the rows of batch next_batch(): it is there, and with it the position.
    void commit(const Position& position, std::int64_t history, std::int64_t as_of,
                std::chrono::milliseconds timeout);
    // The same for the rows and generations of one table.
    void commit(const std::string& fact, const Generations& generations,
                std::chrono::milliseconds timeout);
    // No new batch: as of later.
    void touch(std::int64_t as_of, std::chrono::milliseconds timeout);

    // Whether no epoch has begun behind this one. Errors of the second: conflict.
    bool is_greatest(std::chrono::milliseconds timeout);
    void require_greatest(std::chrono::milliseconds timeout);

    const std::string& store() const noexcept { return store_; }
    std::int64_t epoch() const noexcept { return epoch_; }
    std::int64_t next_batch() const noexcept { return batch_ + 1; }
    const Position& position() const noexcept { return position_; }
    std::int64_t history() const noexcept { return history_; }
    std::int64_t as_of() const noexcept { return as_of_; }
    Generations generations(const std::string& fact) const;

private:
    bool has_tables(std::chrono::milliseconds timeout);
    std::string row_of(const std::string& fact) const;
    void write(const std::string& rows, std::chrono::milliseconds timeout);

    Client& client_;
    std::string store_;
    std::int64_t epoch_ = 0, batch_ = 0, version_ = 0;
    std::vector<std::int64_t> lasts_;  // of epochs 1 .. epoch_ - 1
    Position position_;
    std::int64_t history_ = 0, as_of_ = 0;
    std::map<std::string, Generations> generations_;
};

// What is there, by the greatest epoch and its last batch; for who does not feed it. Errors:
// unavailable if nobody has fed it yet.
internal::StoreVersion read_version(Client& client, std::chrono::milliseconds timeout);

}  // namespace loadstone::analytics::clickhouse
