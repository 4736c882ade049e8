#pragma once
// Writer: the one connection that writes, on a thread of its own, with group commit. What callers
// do is in writer.cc, what that thread does in writer_lane.cc.
//
// 1. transact() puts an op into a bounded queue and suspends. The lane begins a transaction, then
//    runs queued bodies one after the other, until the queue is empty or the group is full, and
//    commits once: one fsync for all. Each but the first has a savepoint, for which SQLite keeps
//    each page as it was before: a claim of jobs wrote as many bytes for it as into the log.
// 2. A body runs in place: it is spawned on an io_context that only the lane polls, and its awaits
//    of Tx complete without suspending. If it is not finished after the poll it waited for
//    something else. Then it is named, what it wrote is rolled back, its Tx is closed, and its
//    caller gets an internal error once the body has ended (its arguments live in the caller's
//    frame).
// 3. Nobody is answered before the commit: not those that failed either, for they may have seen
//    what the group wrote. A body's failure rolls back its savepoint alone; that of the first,
//    which has seen nothing, the transaction, and the others begin another. A failure of the commit
//    is everybody's: unavailable, and nothing of the group is in the database (after an I/O error:
//    "commit outcome unknown", for it may come back if the process ends before the next commit).
// 4. SQLite rolls the whole transaction back when it interrupts a write (deadline) and after some
//    errors. The interrupted op fails; the others of the group go back to the head of the queue
//    and run again. When the commit fails a constraint (a deferred foreign key), each runs again
//    alone.
// 5. The lock of another process is waited for before a group is gathered: queued ops wait for it
//    at most busy_timeout, and no longer than their deadline.
// 6. The log is moved into the file and begun anew every `log_frames_max` pages, between two
//    groups. It waits a moment for readers to leave the log, for with reads that never pause
//    nobody else would ever find a gap; behind a long read the log grows, and it is tried again
//    later.

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/store/database.h"
#include "loadstone/store/sqlite/handle.h"
#include "loadstone/store/sqlite/write_queue.h"

namespace boost::asio {
class io_context;
}

namespace loadstone::store::sqlite {

struct WriterOptions {
    std::size_t group_max = 256;
    std::size_t queue_max = 4096;
    std::chrono::milliseconds busy_timeout{5'000};
};

class Writer {
public:
    // How often the lane looks for commits of other processes when somebody listens.
    static constexpr std::chrono::milliseconds poll_every{20};
    // A full disk takes a small write now and then: writes work again when none has failed so long.
    static constexpr std::chrono::milliseconds quiet_after_failure{3'000};
    static constexpr int log_frames_max = 2'000;

    // Opens the file, creates it if missing. Errors: unavailable, data_loss.
    Writer(const FileOptions& file, const WriterOptions& options);
    ~Writer();  // stopped
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void start();
    // What is queued fails with unavailable; the group under way ends. While the loops run.
    void stop();

    Task<void> transact(Context& context, TxBody body);
    // Commits nothing new, but if writes fail just now it really writes; unavailable until none has
    // failed for `quiet_after_failure`.
    Task<void> check(Context& context);
    // Fails the queued ops whose deadline has passed. From any thread, every few milliseconds.
    void expire();
    // `woken` is called on the lane after commits of other processes.
    void listen(std::function<void()> woken);
    // What the lane is at now. From any thread.
    Database::WriterState state() const;
    bool on_lane() const noexcept { return std::this_thread::get_id() == lane_id_; }

private:
    struct Metrics;
    enum class Ran { to_commit, undone, stray, lost };  // undone: with it the whole transaction

    bool has_failed_of_late() const noexcept;
    void require_no_failure() const;
    Task<void> probe();
    void serve();
    bool ensure_open();
    bool begin();
    void run_group();
    Ran run_body(WriteOp& op);
    void open_file();
    void spawn_and_poll(WriteOp& op);
    Ran undo_body(bool is_first, Ran undone);
    void commit_group();
    void committed(std::uint64_t began, std::uint64_t ended);
    void checkpoint_if_due();
    static int on_log_grown(void* self, sqlite3*, const char*, int frames);
    void after_lost_transaction(WriteOp& culprit);
    void fail_group(int code, std::string_view step);
    void note_failure(int code, const Error& error);
    void note_success();
    void poll_strays();
    void poll_foreign_commits();
    void drain();
    void submit(WriteOp& op);
    void refuse(WriteOp& op);
    static void finish(WriteOp& op);
    static void finish_all(std::span<WriteOp* const> ops);
    static void finish(WriteOp& op, const Error& error);

    const FileOptions& file_;
    const WriterOptions options_;
    std::unique_ptr<Metrics> metrics_;
    WriteQueue queue_;
    std::unique_ptr<boost::asio::io_context> lane_;
    std::unique_ptr<Handle> handle_;  // null when it is to be opened again
    std::vector<WriteOp*> group_;     // bodies that have run in the open transaction
    std::vector<WriteOp*> strays_;    // bodies that wait for something else
    int busy_tries_ = 0;
    int log_frames_ = 0;
    int checkpoint_at_ = log_frames_max;
    std::atomic<const char*> body_of_{nullptr};  // the activity whose body runs; null: none does
    std::atomic<std::uint64_t> body_since_{0};   // TSC
    std::atomic<bool> failing_{false};
    std::atomic<std::chrono::steady_clock::time_point> failed_at_{};  // the last time

    std::mutex listeners_mutex_;
    std::vector<std::function<void()>> listeners_;
    std::atomic<bool> listened_{false};
    std::chrono::steady_clock::time_point polled_at_{};
    std::optional<std::int64_t> data_version_;

    std::atomic<std::thread::id> lane_id_{};
    std::thread thread_;
};

}  // namespace loadstone::store::sqlite
