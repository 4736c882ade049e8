// Any bytes as JSON: reading ends with a filled object or an Error that names what is wrong, and
// what was read is written to text that reads back as the same.

#include <cstddef>
#include <cstdint>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/json.h"

namespace {

using loadstone::Errc;
using loadstone::JsonReadOptions;

struct NodeTag;

struct Leaf {
    std::string text;
    std::vector<std::byte> bytes;
    std::optional<loadstone::Timestamp> time;
};
BOOST_DESCRIBE_STRUCT(Leaf, (), (text, bytes, time))

struct Node {
    loadstone::Id<NodeTag> id;
    std::optional<std::optional<bool>> truth;
    std::int8_t tiny = 0;
    std::uint64_t huge = 0;
    float narrow = 0;
    double wide = 0;
    std::optional<Leaf> leaf;
    std::vector<Node> nodes;
    std::vector<std::vector<std::optional<std::int32_t>>> numbers;
};
BOOST_DESCRIBE_STRUCT(Node, (), (id, truth, tiny, huge, narrow, wide, leaf, nodes, numbers))

void check(std::string_view text, const JsonReadOptions& options) {
    const auto read = loadstone::from_json<Node>(text, options);
    if (!read) {
        LOADSTONE_ASSERT(read.error().code() == Errc::invalid_argument, "the text is at fault");
        LOADSTONE_ASSERT(!read.error().message().empty(), "a fault is told");
        LOADSTONE_ASSERT(loadstone::is_utf8(read.error().message()), "a message is text");
        return;
    }
    LOADSTONE_ASSERT(loadstone::is_utf8(text), "what is not UTF-8 is not read");
    const std::string written = loadstone::to_json(*read);
    // A member that may be missing is written with its own lists and objects: two levels more.
    JsonReadOptions again;
    again.depth_max = options.depth_max + 2;
    const auto reread = loadstone::from_json<Node>(written, again);
    LOADSTONE_ASSERT(reread.has_value(), "what was written is read");
    LOADSTONE_ASSERT(loadstone::to_json(*reread) == written, "what is read back is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(text, {});
    check(text, loadstone::stored_json);
    check(text, {.depth_max = 3, .items_max = 5});

    // Any bytes as a string: written as JSON that reads back as the bytes, if they were text.
    std::string quoted;
    loadstone::write_json_string(quoted, text);
    const auto unquoted = loadstone::from_json<std::string>(quoted, loadstone::stored_json);
    LOADSTONE_ASSERT(unquoted.has_value(), "a written string is read");
    LOADSTONE_ASSERT(!loadstone::is_utf8(text) || *unquoted == text, "and is the same");
    LOADSTONE_ASSERT(loadstone::is_utf8(*unquoted), "and is text");
    return 0;
}
