#pragma once
// Progress: how far an operator command is that takes long. A service of its context; the server
// shows it as a bar on a terminal and as a line now and then elsewhere.

#include <cstdint>
#include <string_view>

namespace loadstone::module {

class Progress {
public:
    // `what` is a word; `done` of `total` of it, which begins anew with another word. As often as
    // wanted: what is shown is bounded.
    virtual void show(std::string_view what, std::int64_t done, std::int64_t total) = 0;

protected:
    ~Progress() = default;
};

}  // namespace loadstone::module
