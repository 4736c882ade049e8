// Rows that come while others are written go together with the next transaction, and each request
// is told what became of its own.
#include "loadstone/store/coalesced_writes.h"

#include <fmt/core.h>

#include <atomic>

#include "tests/conformance/conformance.h"
#include "tests/conformance/replica_sessions.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance {

namespace {

namespace store = loadstone::store;
using loadstone::Result;
using loadstone::runtime::Position;
using loadstone::runtime::Services;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Row {
    std::string name;
    std::int64_t quantity = 0;
};
using Write = store::CoalescedWrite<Row, std::int64_t>;

const store::Command raise_quantity{
    .name = "raise_quantity",
    .sqlite =
        "insert into items (name, quantity) values (?1, ?2) on conflict (name) do update "
        "set quantity = excluded.quantity where excluded.quantity > items.quantity",
    .postgres =
        "insert into items (name, quantity) values ($1, $2) on conflict (name) do update "
        "set quantity = excluded.quantity where excluded.quantity > items.quantity",
    .parameters = 2};
constexpr std::int64_t very_long = 1'000'000'000'000;

std::atomic<int> bodies{0};  // that began
std::atomic<int> held{0};    // of the next bodies so many do not end by themselves
std::atomic<bool> fails{false};
std::atomic<Errc> poison{Errc::invalid_argument};  // what "poison" ends all with

bool by_name(const Row& one, const Row& other) { return one.name < other.name; }
void take_greatest(Row& into, const Row& other) {
    into.quantity = std::max(into.quantity, other.quantity);
}
Task<std::vector<Result<std::int64_t>>> write_rows(Tx& tx, std::vector<Row> rows) {
    ++bodies;
    if (fails) throw Error(Errc::unavailable, "on purpose");
    if (held > 0) {
        --held;
        co_await tx.one<std::int64_t>(sql::takes_long, very_long);
    }
    std::vector<Result<std::int64_t>> results;
    for (const Row& row : rows) {
        if (row.name == "poison") throw Error(poison, "on purpose");
        if (row.name == "nobody") {
            results.emplace_back(loadstone::failure(Errc::permission_denied, "nobody may not"));
            continue;
        }
        co_await tx.exec(raise_quantity, row.name, row.quantity);
        results.emplace_back(co_await tx.one<std::int64_t>(sql::quantity_of, row.name));
    }
    co_return results;
}
const Write raise{
    .name = "test.raise", .write = write_rows, .is_before = by_name, .merge = take_greatest};

struct Request {
    std::atomic<Context*> context{nullptr};
    Position session{};
    std::string key{};  // Idempotency-Key
};

Task<std::int64_t> ask(Context& outer, const Services* services, const Write* write, Row row,
                       Request* request) {
    Context context(*services, outer.deadline());
    struct Carried {
        Context& context;
        Request* request;
        ~Carried() {
            if (request != nullptr) request->session = context.reading().position();
        }
    } carried{context, request};
    if (request != nullptr) {
        context.reading().begin_at(request->session);
        if (!request->key.empty()) context.idempotency().emplace().scope_and_key = request->key;
        request->context = &context;
    }
    const std::int64_t value = co_await store::write_coalesced(context, *write, row);
    co_return value;
}

// Keeps the row "first" from being written; on SQLite everything. Until it is cancelled.
struct Holder {
    std::atomic<Context*> context{nullptr};
    std::atomic<bool> holds{false};
};
Task<void> hold_in_tx(Tx& tx, Holder* holder) {
    co_await tx.exec(raise_quantity, std::string("first"), std::int64_t{0});
    holder->holds = true;
    co_await tx.one<std::int64_t>(sql::takes_long, very_long);
}
Task<void> hold_first(Context& context, Holder* holder) {
    holder->context = &context;
    co_await context.write(hold_in_tx, holder);
}

// The requests of one node.
class Requests {
public:
    explicit Requests(TestStore& node) : Requests(node, node.database()) {}
    Requests(TestStore& node, store::Database& database)
        : node_(node), coalesced_(node.registry()) {
        services_.add<store::Database>(database);
        services_.add<store::CoalescedWrites>(coalesced_);
        bodies = 0;
        held = 0;
        fails = false;
    }

    using Answer = std::future<std::int64_t>;
    Answer start(Row row, Request* request = nullptr, milliseconds patience = seconds(20),
                 const Write& write = raise) {
        return node_.start(Deadline::in(patience), ask, &services_, &write, std::move(row),
                           request);
    }
    // The next batches do not end by themselves.
    static void stall(int batches) { held = batches; }
    // What comes from here on is gathered.
    void hold() {
        holding_ = node_.start(Deadline::in(seconds(60)), hold_first, &holder_);
        ASSERT_TRUE(wait_until([&] { return holder_.holds.load(); }));
        first_ = start({"first", 1});
        ASSERT_TRUE(wait_until([&] {
            const auto writer = node_.database().writer_state();
            return bodies == 1 || (writer && writer->waiting == 1);
        }));
    }
    // What was held is written, and what was gathered after it.
    void release() {
        holder_.context.load()->cancel();
        EXPECT_EQ(code_of([&] { holding_.get(); }), Errc::cancelled);
        EXPECT_EQ(first_.get(), 1);
    }
    bool gathered(double count) {
        return wait_until(
            [&] { return metric_sum(node_.registry(), prefix + "waiting") == count; });
    }
    double counted(const std::string& what) {
        return metric_sum(node_.registry(), prefix + what + "_total");
    }

private:
    const std::string prefix = "loadstone_store_coalesced_";
    TestStore& node_;
    store::CoalescedWrites coalesced_;
    Services services_;
    Holder holder_;
    std::future<void> holding_;
    Answer first_;
};

class CoalescedWrites : public Conformance {
protected:
    Requests& requests() {
        if (!requests_) requests_.emplace(store());
        return *requests_;
    }

private:
    std::optional<Requests> requests_;
};

}  // namespace

TEST_P(CoalescedWrites, GoTogetherAndTheGreatestIsKept) {
    requests().hold();
    std::vector<std::pair<std::int64_t, Requests::Answer>> answers;
    for (std::int64_t name = 1; name <= 5; ++name) {
        for (const std::int64_t quantity : {20, 40, 30})
            answers.emplace_back(40 + name,
                                 requests().start({fmt::format("item {}", name), quantity + name}));
    }
    auto nobody = requests().start({"nobody", 1});
    ASSERT_TRUE(requests().gathered(16));
    requests().release();
    for (auto& [greatest, answer] : answers) EXPECT_EQ(answer.get(), greatest);
    EXPECT_EQ(code_of([&] { nobody.get(); }), Errc::permission_denied);
    EXPECT_EQ(bodies, 2);
    EXPECT_EQ(requests().counted("batches"), 2);
    EXPECT_EQ(requests().counted("rows"), 17);
    EXPECT_EQ(requests().counted("merged"), 10);
    EXPECT_EQ(store().run(quantity_of, std::string("item 3")), 43);
    EXPECT_EQ(requests().start({"item 3", 7}).get(), 43) << "what was greater is given";
}

TEST_P(CoalescedWrites, AreCutIntoBatches) {
    const Write small{.name = "test.small",
                      .write = write_rows,
                      .is_before = by_name,
                      .merge = take_greatest,
                      .batch_max = 3,
                      .waiting_max = 7};
    Request first;
    requests().stall(1);
    auto leader = requests().start({"leader", 1}, &first, seconds(20), small);
    ASSERT_TRUE(wait_until([] { return bodies == 1; }));
    std::vector<Requests::Answer> answers;
    for (std::int64_t i = 1; i <= 7; ++i)
        answers.push_back(
            requests().start({fmt::format("item {}", i), i}, nullptr, seconds(20), small));
    ASSERT_TRUE(requests().gathered(7));
    auto one_more = requests().start({"one more", 1}, nullptr, seconds(20), small);
    EXPECT_EQ(code_of([&] { one_more.get(); }), Errc::unavailable);
    EXPECT_EQ(requests().counted("refused"), 1);
    first.context.load()->cancel();
    EXPECT_EQ(code_of([&] { leader.get(); }), Errc::cancelled);
    for (std::size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i].get(), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(requests().counted("batches"), 3);
    EXPECT_EQ(store().run(item_count), 7);
}

// One after the other, the second with a batch: each time another one leads.
TEST_P(CoalescedWrites, OutliveTheirLeaders) {
    Request first, second;
    requests().stall(2);
    auto leader = requests().start({"leader", 1}, &first);
    ASSERT_TRUE(wait_until([] { return bodies == 1; }));
    std::vector<Requests::Answer> answers;
    for (std::int64_t i = 1; i <= 4; ++i)
        answers.push_back(requests().start({fmt::format("item {}", i), i}));
    auto patient = requests().start({"patient", 1}, &second, seconds(30));
    ASSERT_TRUE(requests().gathered(5));
    first.context.load()->cancel();
    EXPECT_EQ(code_of([&] { leader.get(); }), Errc::cancelled);
    ASSERT_TRUE(wait_until([] { return bodies == 2; }));
    second.context.load()->cancel();
    EXPECT_EQ(code_of([&] { patient.get(); }), Errc::cancelled) << "who had the most time led";
    for (std::size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i].get(), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(requests().counted("again"), 4);
    EXPECT_EQ(requests().counted("batches"), 1);
    EXPECT_EQ(store().run(item_count), 4);
}

TEST_P(CoalescedWrites, EndAtTheirOwnDeadlines) {
    requests().stall(1);
    auto leader = requests().start({"leader", 1}, nullptr, milliseconds(400));
    ASSERT_TRUE(wait_until([] { return bodies == 1; }));
    auto hasty = requests().start({"hasty", 1}, nullptr, milliseconds(100));
    auto patient = requests().start({"patient", 1});
    EXPECT_EQ(code_of([&] { hasty.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(code_of([&] { leader.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(patient.get(), 1);
    EXPECT_EQ(store().run(item_count), 1) << "who had gone is not written";
}

TEST_P(CoalescedWrites, FailTogetherWhereTheBatchDoes) {
    Request first;
    requests().stall(1);
    auto leader = requests().start({"leader", 1}, &first);
    ASSERT_TRUE(wait_until([] { return bodies == 1; }));
    std::vector<Requests::Answer> answers;
    for (std::int64_t i = 1; i <= 4; ++i)
        answers.push_back(requests().start({fmt::format("item {}", i), i}));
    ASSERT_TRUE(requests().gathered(4));
    fails = true;
    first.context.load()->cancel();
    EXPECT_EQ(code_of([&] { leader.get(); }), Errc::cancelled);
    for (auto& answer : answers) EXPECT_EQ(code_of([&] { answer.get(); }), Errc::unavailable);
    EXPECT_EQ(bodies, 2);
    fails = false;
    EXPECT_EQ(requests().start({"later", 1}).get(), 1);
}

// That of a row, and that of a statement's time budget, which is not that of who leads.
TEST_P(CoalescedWrites, GoApartWhereOneMayHaveFailedThem) {
    double alone = 0;
    for (const Errc code : {Errc::invalid_argument, Errc::deadline_exceeded}) {
        poison = code;
        Request first;
        requests().stall(1);
        auto leader = requests().start({"leader", 1}, &first);
        ASSERT_TRUE(wait_until([] { return held == 0; }));
        std::vector<Requests::Answer> answers;
        for (std::int64_t i = 1; i <= 4; ++i)
            answers.push_back(requests().start({fmt::format("item {}", i), i}));
        auto poisoned = requests().start({"poison", 1});
        ASSERT_TRUE(requests().gathered(5));
        first.context.load()->cancel();
        EXPECT_EQ(code_of([&] { leader.get(); }), Errc::cancelled);
        EXPECT_EQ(code_of([&] { poisoned.get(); }), code);
        for (std::size_t i = 0; i < answers.size(); ++i)
            EXPECT_EQ(answers[i].get(), static_cast<std::int64_t>(i) + 1);
        EXPECT_EQ(requests().counted("alone"), alone += 5);
    }
    EXPECT_EQ(requests().counted("batches"), 0);
    EXPECT_EQ(requests().start({"later", 1}).get(), 1);
    EXPECT_EQ(code_of([&] { requests().start({"poison", 1}).get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(requests().counted("alone"), alone) << "it has been by itself";
}

TEST_P(CoalescedWrites, UnderAnIdempotencyKeyGoAlone) {
    requests().hold();
    Request keyed;
    keyed.key = "a key";
    auto alone = requests().start({"alone", 5}, &keyed);
    if (!is_sqlite()) EXPECT_EQ(alone.get(), 5);
    requests().release();
    if (is_sqlite()) EXPECT_EQ(alone.get(), 5);
    EXPECT_EQ(requests().counted("rows"), 1);
    EXPECT_EQ(requests().start({"alone", 9}).get(), 9);
    Request again;
    again.key = "a key";
    EXPECT_EQ(requests().start({"alone", 5}, &again).get(), 5) << "as it was told";
}

// Many threads, no order: nothing is lost, and nobody waits for what never comes.
TEST_P(CoalescedWrites, OfManyAtOnceAreAllAnswered) {
    std::vector<Requests::Answer> answers;
    std::map<std::string, std::int64_t> greatest;
    for (std::int64_t i = 0; i < 600; ++i) {
        const std::string name = fmt::format("item {}", i % 7);
        greatest[name] = std::max(greatest[name], i * 37 % 600);
        answers.push_back(requests().start({name, i * 37 % 600}));
    }
    for (std::int64_t i = 0; i < 600; ++i)
        EXPECT_GE(answers[static_cast<std::size_t>(i)].get(), i * 37 % 600);
    for (const auto& [name, quantity] : greatest)
        EXPECT_EQ(store().run(quantity_of, name), quantity);
    EXPECT_EQ(requests().counted("rows"), 600);
    EXPECT_LT(requests().counted("batches"), 600);
}

LOADSTONE_ON_EVERY_BACKEND(CoalescedWrites);

// Without replicas sessions carry moments; also those whose rows another one has written.
TEST(CoalescedWritesOfSessions, CarryMoments) {
    TestDatabase database(Backend::postgres);
    auto options = test_options(database.url());
    std::vector<store::ModuleMigrations> modules = all_migrations();
    modules.push_back({"loadstone_cache", views::cache::migrations()});
    modules.push_back({"views", views::sql::migrations});
    store::migrate(options, modules);
    views::Node node(options);
    Requests requests(node.store(), node.cache().database());
    requests.hold();
    std::array<Request, 3> sessions;
    sessions[1].session = {loadstone::runtime::first_moments, 7};  // of another process
    std::vector<Requests::Answer> answers;
    for (Request& session : sessions) answers.push_back(requests.start({"item", 3}, &session));
    ASSERT_TRUE(requests.gathered(3));
    requests.release();
    for (auto& answer : answers) EXPECT_EQ(answer.get(), 3);
    EXPECT_TRUE(sessions[0].session.is_moment());
    EXPECT_EQ(sessions[1].session, Position::unknown());
    EXPECT_TRUE(sessions[2].session.is_moment());
}

namespace {
Task<std::int64_t> read_in_session(Context& context, Position session, std::string name) {
    context.reading().begin_at(session);
    Reader reader = context.reader();
    const auto found = co_await reader.maybe<std::int64_t>(sql::quantity_of, name);
    co_return found.value_or(0);
}
}  // namespace

// Whoever led: no replica that lacks the commit answers a session whose row was in it.
TEST(ReplicasAfterCoalescedWrites, ShowThemToAllWhoWaited) {
    ReplicatedServers servers;
    TestStore node(servers.options());
    ASSERT_TRUE(wait_until(
        [&] { return metric_sum(node.registry(), "loadstone_store_replica_usable") == 2; }));
    ASSERT_TRUE(servers.has_replayed(0, "0") && servers.has_replayed(1, "0"));
    servers.pause_replay(0);
    servers.pause_replay(1);
    Requests requests(node);
    requests.hold();
    std::array<Request, 8> sessions;
    std::vector<Requests::Answer> answers;
    for (std::size_t i = 0; i < sessions.size(); ++i)
        answers.push_back(requests.start({fmt::format("item {}", i), 5}, &sessions[i]));
    // Who leads, with what its client has made up.
    Request made_up;
    made_up.session = {1'000, 1};
    answers.push_back(requests.start({"item 0", 5}, &made_up, seconds(30)));
    ASSERT_TRUE(requests.gathered(9));
    requests.release();
    for (auto& answer : answers) EXPECT_EQ(answer.get(), 5);
    EXPECT_EQ(requests.counted("batches"), 2);
    EXPECT_EQ(made_up.session.history, 1'000U);
    for (const Request& each : sessions) EXPECT_LT(each.session.history, 1'000U) << "it is its own";
    EXPECT_EQ(node.run(read_in_session, Position{}, std::string("item 1")), 0) << "the control";
    for (std::size_t i = 0; i < sessions.size(); ++i)
        EXPECT_EQ(node.run(read_in_session, sessions[i].session, fmt::format("item {}", i)), 5);
    servers.resume_replay(0);
    servers.resume_replay(1);
}

}  // namespace tests::conformance
