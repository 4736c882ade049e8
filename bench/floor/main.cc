// The floor of bench/jobs: the least table that is at least once, by hand on libpq or SQLite, as a
// measure of what the storage allows.
//
//     floor fill|drain postgres URL N
//     floor fill|drain sqlite PATH N
//
// fill inserts 1,000 a transaction; drain claims 500 at a time and deletes the batch before in the
// same transaction. Both print the jobs and the seconds.

#include <libpq-fe.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int batch = 500;
constexpr long fill_batch = 1'000;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "floor: %s\n", what.c_str());
    std::exit(1);
}

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

class Postgres {
public:
    explicit Postgres(const char* url) : connection_(PQconnectdb(url), PQfinish) {
        if (PQstatus(connection_.get()) != CONNECTION_OK) fail(PQerrorMessage(connection_.get()));
        run("set client_min_messages = warning");
    }
    void run(const std::string& sql) { query(sql); }
    void create() {
        run("create table if not exists floor_jobs (id bigint generated always as identity primary "
            "key, arguments text not null, claimed boolean not null default false)");
        run("create index if not exists floor_waiting on floor_jobs (id) where not claimed");
    }
    void insert(long jobs) {
        run("insert into floor_jobs (arguments) select '{\"id\":' || i || '}' from "
            "generate_series(1, " +
            std::to_string(jobs) + ") as i");
    }
    void settle() { run("vacuum analyze floor_jobs"); }
    long drain() {
        Result prepared(
            PQprepare(connection_.get(), "claim",
                      "with gone as (delete from floor_jobs where id = any ($1::bigint[])) update "
                      "floor_jobs set claimed = true where id = any (array(select id from "
                      "floor_jobs where not claimed order by id limit 500 for update skip locked)) "
                      "returning id, arguments",
                      1, nullptr),
            PQclear);
        long done = 0;
        std::string last = "{}";
        for (;;) {
            const char* const values[] = {last.c_str()};
            const Result claimed(
                PQexecPrepared(connection_.get(), "claim", 1, values, nullptr, nullptr, 0),
                PQclear);
            if (PQresultStatus(claimed.get()) != PGRES_TUPLES_OK)
                fail(PQerrorMessage(connection_.get()));
            const int rows = PQntuples(claimed.get());
            last = "{";
            for (int i = 0; i < rows; ++i) {
                if (i > 0) last += ',';
                last += PQgetvalue(claimed.get(), i, 0);
            }
            last += '}';
            if (rows == 0) return done;
            done += rows;
        }
    }

private:
    Result query(const std::string& sql) {
        Result result(PQexec(connection_.get(), sql.c_str()), PQclear);
        const auto status = PQresultStatus(result.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
            fail(PQerrorMessage(connection_.get()));
        return result;
    }
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

class Sqlite {
public:
    explicit Sqlite(const char* path) {
        if (sqlite3_open(path, &db_) != SQLITE_OK) fail(sqlite3_errmsg(db_));
        run("pragma journal_mode = wal");
        run("pragma synchronous = full");
    }
    Sqlite(const Sqlite&) = delete;
    Sqlite& operator=(const Sqlite&) = delete;
    ~Sqlite() { sqlite3_close(db_); }

    void run(const std::string& sql) {
        if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
            fail(sqlite3_errmsg(db_));
    }
    void create() {
        run("create table if not exists floor_jobs (id integer primary key, arguments text not "
            "null, claimed integer not null default 0)");
        run("create index if not exists floor_waiting on floor_jobs (id) where not claimed");
    }
    void insert(long jobs) {
        run("with recursive n (i) as (select 1 union all select i + 1 from n where i < " +
            std::to_string(jobs) +
            ") insert into floor_jobs (arguments) select '{\"id\":' || i || '}' from n");
    }
    void settle() {}
    long drain() {
        sqlite3_stmt* claim = prepare(
            "update floor_jobs set claimed = 1 where id in (select id from floor_jobs where not "
            "claimed order by id limit ?1) returning id, arguments");
        sqlite3_stmt* remove = prepare("delete from floor_jobs where id = ?1");
        std::vector<sqlite3_int64> last;
        long done = 0;
        for (;;) {
            run("begin immediate");
            for (const sqlite3_int64 id : last) {
                sqlite3_bind_int64(remove, 1, id);
                if (sqlite3_step(remove) != SQLITE_DONE) fail(sqlite3_errmsg(db_));
                sqlite3_reset(remove);
            }
            last.clear();
            sqlite3_bind_int(claim, 1, batch);
            while (sqlite3_step(claim) == SQLITE_ROW)
                last.push_back(sqlite3_column_int64(claim, 0));
            sqlite3_reset(claim);
            run("commit");
            if (last.empty()) break;
            done += static_cast<long>(last.size());
        }
        sqlite3_finalize(claim);
        sqlite3_finalize(remove);
        return done;
    }

private:
    sqlite3_stmt* prepare(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK)
            fail(sqlite3_errmsg(db_));
        return statement;
    }
    sqlite3* db_ = nullptr;
};

template <class Store>
long fill(Store& store, long jobs) {
    for (long done = 0; done < jobs; done += fill_batch)
        store.insert(std::min(fill_batch, jobs - done));
    return jobs;
}

template <class Store>
void run(Store& store, const std::string& what, long jobs) {
    if (what == "fill") store.create();
    const auto began = std::chrono::steady_clock::now();
    const long done = what == "fill" ? fill(store, jobs) : store.drain();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    if (done != jobs) fail(std::to_string(done) + " jobs were drained");
    if (what == "fill") store.settle();
    std::printf("%ld %.6f\n", done, seconds.count());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) fail("usage: floor fill|drain postgres|sqlite URL N");
    const std::string what = argv[1];
    const std::string count = argv[4];
    long jobs = 0;
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), jobs);
    if (error != std::errc() || end != count.data() + count.size()) fail("N is no number");
    if (std::string(argv[2]) == "postgres") {
        Postgres store(argv[3]);
        run(store, what, jobs);
    } else {
        Sqlite store(argv[3]);
        run(store, what, jobs);
    }
}
