#pragma once
// Module: what an application module declares, in its module.cc, as one value. The server checks
// it (names, dependencies without cycles), gives it its budget, migrates its tables and mounts its
// routes and jobs. One include gives an application module the framework's whole vocabulary.

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loadstone/analytics/export.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/query.h"
#include "loadstone/cache/views.h"
#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/net/http_server.h"
#include "loadstone/net/route.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/statement.h"
#include "loadstone/store/statement_budgets.h"

namespace loadstone::module {

// What the module may use at most at one time. Its requests and its jobs have a bulkhead each, so
// that jobs that wait for the outside world never hold a place that a request needs.
struct Budget {
    std::size_t requests_max = 256;
    std::size_t request_queue_max = 1'024;
    std::chrono::milliseconds queue_wait_max{2'000};
    std::size_t jobs_max = 16;
    // Of its routes that are declared heavy on reads: a bulkhead of their own.
    std::size_t heavy_requests_max = 16;
    std::size_t heavy_request_queue_max = 1'024;
    // Of one statement of its requests and jobs; none: what the settings say.
    std::optional<store::StatementBudget> statements{};
    // Of the connections; none: what the settings say. All, if it is the only module.
    std::optional<store::ConnectionShare> connections{};
};

// `--NAME VALUE` of a command, or `--NAME` alone.
struct OperatorOption {
    std::string name;
    std::string help;
    bool is_switch = false;
    std::string hint = "N";  // of the value, in the help
};

// For the operator: `campus NAME [ARGUMENT...] [OPTION...]` prints what it gives. Its context has
// the database and a Progress (progress.h).
struct OperatorCommand {
    std::string name;
    std::string help;
    // Options stand behind the arguments, as "--NAME=VALUE" or "--NAME".
    Task<std::string> (*run)(Context& context, std::vector<std::string> arguments);
    std::vector<OperatorOption> options{};
    std::chrono::minutes deadline{10};
};

struct Module {
    std::string name;  // also its folder and the first part of its statements' names
    std::vector<std::string> depends_on{};
    std::span<const store::Migration> migrations{};
    void (*routes)(Routes& routes) = nullptr;
    void (*jobs)(Handlers& handlers) = nullptr;
    void (*views)(Views& views) = nullptr;  // derived data: what is cached, what is kept
    void (*facts)(Facts& facts) = nullptr;  // what goes to the column store
    net::SessionResolver sessions{};        // the one module that owns sessions sets it
    std::vector<OperatorCommand> commands{};
    Budget budget{};
};

// Dependencies first; modules that do not depend on each other by name. Throws Error
// invalid_argument for two modules of one name, an unknown dependency or a cycle, naming them.
std::vector<Module> in_dependency_order(std::vector<Module> modules);

}  // namespace loadstone::module

namespace loadstone {
using module::Module;
}
