#pragma once
// ModuleShare: how much of the connections a module may use at one time, so that a storm of one
// leaves some to the others (docs/decisions/0022).

#include <string>
#include <string_view>
#include <vector>

namespace loadstone::store {

// In hundredths, rounded down, at least one. 100: all.
struct ConnectionShare {
    int writes_percent = 75;
    int reads_percent = 75;
};

struct ModuleShare {
    std::string module;
    ConnectionShare share;
};

// "75/50": of writes and of reads. Errors: invalid_argument.
ConnectionShare connection_share(std::string_view text);
std::string text_of(const ConnectionShare& share);
// "reports=50/25,accounts=90/75"; empty: none. Errors: invalid_argument.
std::vector<ModuleShare> module_shares(std::string_view text);
std::string text_of(const std::vector<ModuleShare>& shares);

}  // namespace loadstone::store
