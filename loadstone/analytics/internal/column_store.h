#pragma once
// ColumnStore: where facts go, and where questions about them are answered. DuckDB in a process of
// its own (duckdb_store.h) or a ClickHouse server (clickhouse/store.h). All calls block, from any
// thread; those that change it come from one at a time.
//
// What both promise:
//   1. apply() takes a batch, the position and the history behind it together, or neither. After
//      an error it may have taken it: state() tells.
//   2. It takes only what begins where it is, from who feeds it now.
//   3. What a question sees is a position of the past, whole, and `as_of` is never newer. Of
//      ClickHouse each table is at one; and a batch that was in doubt when another server began may
//      be missing until it is carried again (ADR 25).

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/query_body.h"
#include "loadstone/analytics/internal/store_state.h"
#include "loadstone/analytics/internal/store_version.h"
#include "loadstone/analytics/options.h"
#include "loadstone/analytics/query.h"
#include "loadstone/analytics/rollup.h"

namespace loadstone::analytics::internal {

// A form of a fact, and the column by which its table is back-filled; empty: none.
struct FactForm {
    const Schema* schema = nullptr;
    std::string key;
};

struct FactBatch {
    Position from, to;
    std::int64_t history = 0;  // behind it
    std::int64_t as_of = 0;
    std::vector<FactForm> forms{};
    std::string_view rows{};  // for each fact the place of its form and its bytes (row_bytes.h)
};

// What takes the place of all facts with from <= key < end; `rows` as in a batch of one form.
struct FactRange {
    Position position;  // at which it was read
    FactForm form;
    std::int64_t from = 0, end = 0;
    std::int64_t run = 0;  // which making anew of the table: ranges of one run go upwards from 0
    bool is_last = false;  // of the run
    std::string_view rows{};
};

// A rollup of the facts of a form.
struct FormRollup {
    FactForm form;
    std::string name;
    const Rollup* rollup = nullptr;
};

struct Question {
    Query query;
    std::span<const store::Value> values{};
    QueryBounds bounds;
    bool is_ad_hoc = false;  // who typed it reads the error: it may repeat parts of the statement
    // That the store has been found to be as of before it was asked; 0: not known.
    std::int64_t as_of = 0;
};

struct Exported {
    std::string path;
    std::int64_t rows = 0, bytes = 0, as_of = 0;
    std::shared_ptr<const void> kept_by{};  // as of ExportedFile
};

struct StoreReport {
    std::string name;                // "loadstone-duckdb", "ClickHouse at host:8123/campus"
    std::int64_t restarts = 0;       // of its process, by this one
    std::int64_t pid = -1;           // of its process; -1: none runs, or it is not ours
    std::int64_t bytes = 0;          // on disk
    std::int64_t failed_merges = 0;  // of rollups, as far as who feeds it was told
};

class ColumnStore {
public:
    using OnColumns = std::function<void(const std::vector<Column>&)>;
    using OnRows = std::function<void(std::string_view bytes)>;  // whole rows

    virtual ~ColumnStore() = default;

    // True: servers agree by a lease in the database who feeds it. False: whose folder has it.
    virtual bool is_shared() const noexcept = 0;
    // Of one that is not shared: whether it has ever been made here; and sees that it runs. False:
    // another server has it. Errors: unavailable.
    virtual bool is_made_here() const = 0;
    virtual bool keep_running() = 0;
    // It is not this database's, or has another history: of one that is not shared, nobody is
    // answered until keep_running() and declare().
    virtual void shut() = 0;

    // Errors of all below: unavailable while it cannot be reached, deadline_exceeded.
    virtual StoreState state(int timeout_ms) = 0;
    // From now on it takes facts from this caller, as `epoch`, above all before; what others still
    // send it has no effect. Of a store that is not shared: its state. Errors: conflict.
    virtual StoreState begin(std::int64_t epoch, int timeout_ms) = 0;
    // Since begin(): nothing is in doubt. If not, only begin() helps.
    virtual bool has_turn() const noexcept = 0;
    // At this position it is as of `as_of` by now.
    virtual void touch(const Position& position, std::int64_t as_of, int timeout_ms) = 0;
    // The rollups that there are from now on, from who feeds it: others are dropped, those that are
    // missing or were otherwise are made of the facts, which may take minutes. After an error it
    // may go on with that. Errors: conflict.
    virtual void declare(std::span<const FormRollup> rollups, int timeout_ms) = 0;
    // False: a rollup is a view, which groups the facts when it is asked.
    virtual bool keeps_rollups() const noexcept = 0;
    // Errors: conflict if it is elsewhere, or somebody else feeds it.
    virtual void apply(const FactBatch& batch, int timeout_ms) = 0;
    // Errors: as apply(); of ClickHouse data_loss if a run leaves out keys. Doing it again
    // changes nothing.
    virtual void replace(const FactRange& range, int timeout_ms) = 0;
    // Frees the room of what replace() has put out of sight. Only when the database has noted the
    // last range in this caller's epoch: what is out of sight of a former one may be shown.
    virtual void forget_old(const std::string& /*fact*/, int /*timeout_ms*/) {}

    // `columns` is called once, before `rows`. Gives as of when. Errors: as analytics::query.
    virtual std::int64_t query(const Question& question, const OnColumns& columns,
                               const OnRows& rows) = 0;
    // What it shows, where that is known without asking it, since only this process changes it.
    // From any thread; does not block.
    virtual std::optional<StoreVersion> known_version() const { return std::nullopt; }
    // The same as the store says it, before a question; nothing: it does not say so. Errors: as
    // query().
    virtual std::optional<StoreVersion> version(int /*timeout_ms*/) { return known_version(); }
    // Errors: as analytics::export_rows.
    virtual Exported export_file(const Question& question, const std::string& name) = 0;
    // The names of a table's columns; none: it is not there.
    virtual Query columns_of_table() const = 0;

    virtual StoreReport report() const = 0;

    // Ends what is under way (cancelled), as far as it can; nothing is asked any more.
    virtual void stop() noexcept {}
};

// The one that the options name.
std::unique_ptr<ColumnStore> open_store(const Options& options);

}  // namespace loadstone::analytics::internal
