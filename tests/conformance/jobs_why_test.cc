// Why a ready job does not run, where other tenants' jobs and other priorities stand beside it.

#include <gtest/gtest.h>

#include "tests/conformance/jobs_node.h"

namespace conformance_jobs {

struct Shared {
    std::string tenant, host;
};
BOOST_DESCRIBE_STRUCT(Shared, (), (tenant, host))

struct Hurried {
    std::string host;
};
BOOST_DESCRIBE_STRUCT(Hurried, (), (host))

struct Apart {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Apart, (), (number))

namespace {

template <class T>
loadstone::Task<void> handle_any(loadstone::Context&, loadstone::Job<T>) {
    co_return;
}

void more(loadstone::Handlers& handlers) {
    loadstone::jobs::Limit host;
    host.name = "host";
    host.running_max = 2;
    handlers.handle(handle_any<Shared>).tenant(&Shared::tenant).limit(host, &Shared::host);
    handlers.handle(handle_any<Hurried>).priority(3).limit(host, &Hurried::host);
    handlers.handle(handle_any<Apart>).queue("apart");
}

}  // namespace
}  // namespace conformance_jobs

namespace tests::conformance {
namespace {

using conformance_jobs::Apart;
using conformance_jobs::Hurried;
using conformance_jobs::Shared;

class JobWhy : public JobQueue {
protected:
    void SetUp() override {
        process_ = node_.write(jobs::internal::register_process, std::string("somebody"));
        node_.write(declare_all);
    }
    static Task<bool> declare_all(Tx& tx) {
        static constexpr std::string_view text =
            "insert into loadstone_kinds (name, declaration, declared_at) values "
            "('conformance_jobs.Note', '{}', 0), ('conformance_jobs.Shared', '{}', 0)";
        static constexpr loadstone::store::Command declare{
            .name = "test.declare_all", .sqlite = text, .postgres = text};
        co_await tx.exec(declare);
        co_return true;
    }
    std::int64_t enqueue(const std::string& tenant, const std::string& host = "a") {
        return node_.write(enqueue_in<Shared>, Shared{tenant, host});
    }
    void claim_plain(const std::string& queue, const std::string& kinds) {
        const std::vector<jobs::internal::LaneClaim> lanes{{queue, "", 0, 0, kinds, 1, 1}};
        node_.write(jobs::internal::claim, process_, lanes_of(lanes), ++batch_, no_limits,
                    no_loans);
    }

    Node node_{database_.url(), diary_, conformance_jobs::more};
    std::int64_t process_ = 0;
    std::int64_t batch_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Databases, JobWhy, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobWhy, CountsWhatGoesFirstInOtherPartitions) {
    const auto acme = enqueue("acme");
    EXPECT_EQ(node_.why(acme),
              "it is the next of queue test, and begins when a server has a place for it: 0 jobs "
              "run in 1 processes, 0 of them of this queue");
    node_.enqueue_urgent("urgent");
    EXPECT_EQ(node_.why(acme), "1 ready jobs of queue test go first, 1 of them of higher priority");
    node_.write(enqueue_in<Hurried>, Hurried{"b"});
    const auto second = enqueue("acme");
    EXPECT_EQ(node_.why(second),
              "3 ready jobs of queue test go first, 2 of them of higher priority as far as limits "
              "let them, 1 of its partition, acme|host:a");
    enqueue("other");
    EXPECT_EQ(node_.why(acme),
              "2 ready jobs of queue test go first, 2 of them of higher priority as far as limits "
              "let them; of its priority 2 tenants take turns");
}

TEST_P(JobWhy, SaysWhoTakesTurns) {
    const auto acme = enqueue("acme");
    const auto behind = enqueue("acme");
    const auto other = enqueue("other");
    const std::string begins =
        ", and begins when a server has a place for it: 0 jobs run in 1 processes, 0 of them of "
        "this queue";
    const std::string next = "it is the next of its partition in queue test, where ";
    EXPECT_EQ(node_.why(acme), next + "2 tenants take turns" + begins);
    EXPECT_EQ(node_.why(other), next + "2 tenants take turns" + begins);
    EXPECT_EQ(node_.why(behind),
              "1 ready jobs of queue test go first, 1 of its partition, acme|host:a; of its "
              "priority 2 tenants take turns");
    enqueue("acme", "b");
    EXPECT_EQ(node_.why(other), next + "3 partitions of 2 tenants take turns" + begins);
}

TEST_P(JobWhy, NamesTheModuleWhosePlacesAreTaken) {
    jobs::ModulePlaces places;
    places.jobs_max["test"] = 2;
    node_.services.add<jobs::ModulePlaces>(places);
    node_.enqueue("runs");
    node_.write(enqueue_in<Apart>, Apart{1});
    claim_plain("test", R"(["conformance_jobs.Note"])");
    const auto waits = node_.enqueue("waits");
    EXPECT_EQ(node_.why(waits),
              "it is the next of queue test, and begins when a server has a place for it: 1 jobs "
              "run in 1 processes, 1 of them of this queue, 1 of its module, test, which has 2 "
              "places in each server");
    claim_plain("apart", R"(["conformance_jobs.Apart"])");
    EXPECT_EQ(node_.why(waits),
              "it is the next of queue test, and the places of its module, test, are taken: 2 of "
              "its jobs run, and it has 2 places in each server");
    places.jobs_max["test"] = 4;
    EXPECT_EQ(node_.why(waits),
              "it is the next of queue test, and begins when a server has a place for it: 2 jobs "
              "run in 1 processes, 1 of them of this queue, 2 of its module, test, which has 4 "
              "places in each server, up to 1 of them kept for queues of it of which nothing runs");
}

}  // namespace
}  // namespace tests::conformance
