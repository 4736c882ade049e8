#include "loadstone/analytics/clickhouse/store.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "loadstone/analytics/clickhouse/export.h"
#include "loadstone/analytics/clickhouse/literal.h"
#include "loadstone/analytics/clickhouse/native.h"
#include "loadstone/analytics/clickhouse/row_binary.h"
#include "loadstone/analytics/internal/export_name.h"
#include "loadstone/analytics/internal/unnamed_file.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

namespace loadstone::analytics::clickhouse {

using internal::FactBatch;
using internal::FactForm;
using internal::FactRange;
using internal::Question;
using internal::StoreState;
using internal::WireReader;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds touch_every{1};
constexpr std::chrono::seconds measure_every{10};
constexpr milliseconds as_of_timeout{5'000};
// Of an answer, for one of its CSV: a cell that is null is a comma there, and in a block 8 bytes, a
// null mark and an end.
constexpr std::int64_t bytes_per_byte_max = 10;

// Errors: deadline_exceeded when nothing is left: to the client 0 is no bound.
milliseconds left_until(steady_clock::time_point end) {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    if (left <= milliseconds(0))
        throw Error(Errc::deadline_exceeded, "no time is left for ClickHouse's answer");
    return left;
}

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

// The rows of one batch or range, table by table.
class Store::Batch {
public:
    explicit Batch(Store& store) : store_(store) {
        mark_.epoch = narrow(store.ledger_.epoch());
        mark_.batch = narrow(store.ledger_.next_batch());
    }

    void add_form(const FactForm& form, int timeout_ms) {
        const StoredTable& table = store_.tables_.shape(form, milliseconds(timeout_ms));
        Rows& rows = rows_[form.schema->fact];
        rows.statement = insert_statement(table);  // of all its forms' columns by now
        encoders_.emplace_back(std::make_unique<RowEncoder>(form, table), &rows);
    }
    // Its place among the forms.
    RowEncoder& read(std::int64_t form, std::string_view bytes) {
        if (form < 0 || form >= std::ssize(encoders_))
            throw Error(Errc::data_loss, "a fact of no form");
        RowEncoder& encoder = *encoders_[static_cast<std::size_t>(form)].first;
        encoder.read(bytes);
        return encoder;
    }
    void add(std::int64_t form, std::int64_t from, std::int64_t span) {
        mark_.from = narrow(from);
        mark_.span = narrow(span);
        const auto& [encoder, rows] = encoders_[static_cast<std::size_t>(form)];
        encoder->append(rows->bytes, mark_);
    }
    void insert(int timeout_ms) {
        for (const auto& [fact, rows] : rows_) {
            if (!rows.bytes.empty())
                store_.client_.insert(rows.statement, rows.bytes, milliseconds(timeout_ms));
        }
    }

private:
    struct Rows {
        std::string statement, bytes;
    };
    Store& store_;
    RowMark mark_;
    std::map<std::string, Rows> rows_;
    std::vector<std::pair<std::unique_ptr<RowEncoder>, Rows*>> encoders_;
};

// Written by a process of its own, which the store's end does not wait for.
class Store::ParquetFile {
public:
    ParquetFile(Store& store, int file, const internal::QueryBounds& bounds)
        : store_(store),
          process_(store.options_, file, bounds.bytes_max, steady_clock::now() + bounds.timeout) {
        const std::lock_guard lock(store_.mutex_);
        store_.writing_.insert(&process_);
        if (store_.is_stopping_) process_.stop();
    }
    ParquetFile(const ParquetFile&) = delete;
    ParquetFile& operator=(const ParquetFile&) = delete;
    ~ParquetFile() {
        const std::lock_guard lock(store_.mutex_);
        store_.writing_.erase(&process_);
    }

    void begin(const std::vector<Column>& columns) {
        unless_stopped([&] { process_.begin(columns); });
    }
    void append(std::string_view rows) {
        unless_stopped([&] { process_.append(rows); });
    }
    void finish() {
        unless_stopped([&] { written_ = process_.finish(); });
    }
    std::int64_t rows() const noexcept { return written_.rows; }
    std::int64_t bytes() const noexcept { return written_.bytes; }

private:
    void unless_stopped(FunctionRef<void()> work) {
        try {
            work();
        } catch (const Error&) {
            const std::lock_guard lock(store_.mutex_);
            if (store_.is_stopping_) throw Error(Errc::cancelled, "the server stops");
            throw;
        }
    }

    Store& store_;
    internal::FileProcess process_;
    internal::FileProcess::Written written_;
};

Store::Store(const Options& options)
    : options_(options),
      client_(address_of(options.store)),
      ledger_(client_),
      tables_(client_, ledger_) {}

StoreState Store::state_now() const {
    StoreState state;
    state.store = ledger_.store();
    state.position = ledger_.position();
    state.history = ledger_.history();
    state.as_of = ledger_.as_of();
    state.epoch = ledger_.epoch();
    return state;
}

StoreState Store::state(int timeout_ms) {
    if (has_turn_) has_turn_ = ledger_.is_greatest(milliseconds(timeout_ms));
    if (!has_turn_) ledger_.read(milliseconds(timeout_ms));
    return state_now();
}

StoreState Store::begin(std::int64_t epoch, int timeout_ms) {
    has_turn_ = false;
    tables_.forget();
    ledger_.begin(epoch, milliseconds(timeout_ms));
    has_turn_ = true;
    return state_now();
}

void Store::require_turn(const Position& position) const {
    if (!has_turn_)
        throw Error(Errc::conflict, "what became of the last batch is not known: the feed asks");
    if (position != ledger_.position())
        throw Error(Errc::conflict, "these facts do not begin where the store is");
}

void Store::touch(const Position& position, std::int64_t as_of, int timeout_ms) {
    require_turn(position);
    const auto now = steady_clock::now();
    if (as_of > ledger_.as_of() && now - touched_ >= touch_every) {
        has_turn_ = false;
        ledger_.touch(as_of, milliseconds(timeout_ms));
        has_turn_ = true;
        touched_ = now;
    }
    measure_at_times(timeout_ms);
}

void Store::declare(std::span<const internal::FormRollup> rollups, int timeout_ms) {
    require_turn(ledger_.position());
    // Before as well: it may fail when some views have changed, and what was asked of them as they
    // were is not to be given then.
    commit_nothing(timeout_ms);
    tables_.declare(rollups, milliseconds(timeout_ms));
    commit_nothing(timeout_ms);
}

// A batch without rows: views may show something else, and so that is another version.
void Store::commit_nothing(int timeout_ms) {
    has_turn_ = false;
    ledger_.commit(ledger_.position(), ledger_.history(), ledger_.as_of(),
                   milliseconds(timeout_ms));
    has_turn_ = true;
}

void Store::apply(const FactBatch& facts, int timeout_ms) {
    require_turn(facts.from);
    // Columns first: a statement names all that its table has.
    for (const FactForm& form : facts.forms) tables_.shape(form, milliseconds(timeout_ms));
    Batch batch(*this);
    std::vector<Generations> generations;
    for (const FactForm& form : facts.forms) {
        batch.add_form(form, timeout_ms);
        generations.push_back(ledger_.generations(form.schema->fact));
    }
    WireReader rows(facts.rows);
    while (!rows.at_end()) {
        const std::int64_t form = rows.integer();
        const std::int64_t key = batch.read(form, rows.text()).key();
        const Generations& of = generations[static_cast<std::size_t>(form)];
        batch.add(form, of.shown, of.span_of(key));
    }
    has_turn_ = false;  // until all of it is there
    batch.insert(timeout_ms);
    ledger_.commit(facts.to, facts.history, facts.as_of, milliseconds(timeout_ms));
    ledger_.require_greatest(milliseconds(timeout_ms));
    has_turn_ = true;
    measure_at_times(timeout_ms);
}

void Store::replace(const FactRange& range, int timeout_ms) {
    require_turn(range.position);
    const std::string& fact = range.form.schema->fact;
    Generations next = ledger_.generations(fact);
    if (next.run != range.run) next.begin(range.run);
    if (range.from > next.next_key)
        throw Error(Errc::data_loss,
                    fmt::format("the column store has run {} of {} below {}, and not below {}",
                                range.run, fact, next.next_key, range.from));
    // The commit of this range came to be, and the database's note of it did not.
    if (!next.is_making() || range.end <= next.next_key) return;
    add_range(range, next, timeout_ms);
}

void Store::add_range(const FactRange& range, Generations next, int timeout_ms) {
    Batch batch(*this);
    batch.add_form(range.form, timeout_ms);
    WireReader rows(range.rows);
    while (!rows.at_end()) {
        const std::int64_t form = rows.integer();
        // Keys below were made before, and their facts have been carried since.
        if (batch.read(form, rows.text()).key() >= next.next_key) batch.add(form, next.made, 0);
    }
    has_turn_ = false;
    batch.insert(timeout_ms);
    next.add_range(range.end, range.is_last);
    ledger_.commit(range.form.schema->fact, next, milliseconds(timeout_ms));
    ledger_.require_greatest(milliseconds(timeout_ms));
    has_turn_ = true;
}

// They are not shown any more; the next time deletes what this one did not.
void Store::forget_old(const std::string& fact, int timeout_ms) {
    if (!has_turn_) return;
    try {
        client_.run(fmt::format("ALTER TABLE {} DELETE WHERE _from + _span < {}", rows_table(fact),
                                ledger_.generations(fact).shown),
                    milliseconds(timeout_ms));
    } catch (const Error& error) {
        log::warning("facts that were made anew still take room in the column store",
                     {{"fact", fact}, {"error", error.message()}});
    }
}

void Store::measure_at_times(int timeout_ms) {
    const auto now = steady_clock::now();
    if (now - measured_ < measure_every) return;
    measured_ = now;
    try {
        const auto found = client_.table(
            "SELECT toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = "
            "currentDatabase()",
            milliseconds(timeout_ms));
        bytes_ = number_of(found.at(0).at(0));
    } catch (const Error&) {
        // Its account may not read system.parts.
    }
}

QuestionBounds Store::bounds_of(const Question& question, steady_clock::time_point end) const {
    QuestionBounds bounds;
    bounds.timeout = left_until(end);
    bounds.tells_text = question.is_ad_hoc;
    bounds.rows_max = question.bounds.rows_max;
    bounds.bytes_max = question.bounds.bytes_max;
    bounds.memory_mb = options_.memory_mb;
    bounds.threads = options_.threads;
    return bounds;
}

std::int64_t Store::query(const Question& question, const OnColumns& columns, const OnRows& rows) {
    const auto end = steady_clock::now() + question.bounds.timeout;
    // Before the question sees anything.
    std::int64_t as_of = question.as_of;
    if (as_of == 0) as_of = read_version(client_, std::min(as_of_timeout, left_until(end))).as_of;
    const Query& query = question.query;
    const std::string text =
        with_values(query.clickhouse.empty() ? query.text : query.clickhouse, question.values);
    NativeReader reader(columns, rows);
    auto take = [&](std::string_view bytes) { reader.take(bytes); };
    client_.ask(text, "Native", bounds_of(question, end), take);
    reader.finish();
    if (!reader.has_columns()) columns(columns_of_nothing(client_, text, bounds_of(question, end)));
    return as_of;
}

std::optional<internal::StoreVersion> Store::version(int timeout_ms) {
    return read_version(client_, milliseconds(timeout_ms));
}

template <class File>
void Store::write_file(const Question& question, File& file, internal::Exported& made) {
    const std::string_view times = question.query.clickhouse_times;
    auto columns = [&](const std::vector<Column>& found) { file.begin(with_times(found, times)); };
    auto rows = [&](std::string_view bytes) { file.append(bytes); };
    Question bounded = question;
    bounded.bounds.bytes_max *= bytes_per_byte_max;
    made.as_of = query(bounded, columns, rows);
    file.finish();
    made.rows = file.rows();
    made.bytes = file.bytes();
}

internal::Exported Store::export_file(const Question& question, const std::string& name) {
    internal::require_export_name(name);
    const auto file = std::make_shared<internal::UnnamedFile>(options_.folder + "/exports");
    internal::Exported made;
    made.path = file->path();
    made.kept_by = file;
    if (name.ends_with(".parquet")) {
        ParquetFile parquet(*this, file->fd(), question.bounds);
        write_file(question, parquet, made);
    } else {
        CsvFile csv(made.path, question.bounds.bytes_max);
        write_file(question, csv, made);
    }
    return made;
}

void Store::stop() noexcept {
    client_.stop();
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    for (internal::FileProcess* each : writing_) each->stop();
}

Query Store::columns_of_table() const {
    return {"columns",
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = $1"};
}

internal::StoreReport Store::report() const {
    internal::StoreReport report;
    report.name = "ClickHouse at " + client_.name();
    report.bytes = bytes_;
    return report;
}

}  // namespace loadstone::analytics::clickhouse
