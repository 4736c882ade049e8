#pragma once
// integrations: what Campus takes from others. A roster is a list of people that somebody else
// keeps; it is read page by page each hour, and who is new in it is invited.

#include <string>

#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::integrations {

loadstone::Module module();

struct RosterTag {};
using RosterId = loadstone::Id<RosterTag>;

// The job that reads one roster. `host` is what its server's limit counts.
struct SyncRoster {
    RosterId roster;
    std::string host;
};
BOOST_DESCRIBE_STRUCT(SyncRoster, (), (roster, host))

// The job that enqueues one of them for each roster.
struct SyncAllRosters {};
BOOST_DESCRIBE_STRUCT(SyncAllRosters, (), ())

}  // namespace campus::integrations
