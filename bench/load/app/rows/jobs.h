#pragma once
// The jobs of bench/jobs.sh and of POST /rows, and the commands that enqueue them.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace rows {

struct IndexItem {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(IndexItem, (), (id))

struct Ran {
    std::int64_t all = 0;
    std::int64_t once = 0;
};
BOOST_DESCRIBE_STRUCT(Ran, (), (all, once))

struct InFlight {
    std::int64_t jobs = 0, in_flight = 0;
};
BOOST_DESCRIBE_STRUCT(InFlight, (), (jobs, in_flight))

// How often this process has run each job of so many.
loadstone::Task<loadstone::Reply<Ran>> ran(loadstone::Context& context,
                                           loadstone::Path<std::int64_t> jobs);
// A transaction each. In a server, which has more connections than a command.
loadstone::Task<loadstone::Response> post_jobs(loadstone::Context& context,
                                               loadstone::Body<InFlight> in);

// The argument of a command at `place`. Error invalid_argument if it is none above 0.
std::int64_t positive(const std::vector<std::string>& arguments, std::size_t place);
std::vector<loadstone::module::OperatorCommand> commands_of_jobs();
void jobs(loadstone::Handlers& handlers);

}  // namespace rows
