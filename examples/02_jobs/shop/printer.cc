#include "shop/printer.h"

#include <filesystem>
#include <fstream>
#include <mutex>

#include "loadstone/base/error.h"

namespace shop {

using namespace loadstone;

Task<void> print_line(Context& context, std::string key, std::string line) {
    context.throw_if_done("the printer");
    if (std::filesystem::exists("printer.off"))
        throw Error(Errc::unavailable, "the printer is off")
            .with_retry_after(std::chrono::milliseconds(500));
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    std::ofstream printer("printer.txt", std::ios::app);
    printer << key << ' ' << line << '\n';
    co_return;
}

}  // namespace shop
