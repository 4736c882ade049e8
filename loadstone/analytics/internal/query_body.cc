#include "loadstone/analytics/internal/query_body.h"

#include "loadstone/analytics/internal/wire.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

using store::Value;
using store::ValueKind;

namespace {

void append(WireWriter& to, const Value& value) {
    switch (value.kind) {
        case ValueKind::null: to.byte('n'); break;
        case ValueKind::boolean:
            to.byte('b');
            to.byte(value.integer != 0 ? 1 : 0);
            break;
        case ValueKind::integer:
            to.byte('i');
            to.integer(value.integer);
            break;
        case ValueKind::real:
            to.byte('r');
            to.real(value.real);
            break;
        case ValueKind::text:
            to.byte('t');
            to.text(value.text);
            break;
        case ValueKind::bytes:
            throw Error(Errc::invalid_argument, "bytes are no parameter of an analytics query");
    }
}

}  // namespace

std::string query_body(std::string_view text, std::span<const Value> values,
                       const QueryBounds& bounds) {
    std::string body;
    WireWriter to(body);
    to.text(text);
    to.integer(bounds.timeout.count());
    to.integer(bounds.rows_max);
    to.integer(bounds.bytes_max);
    to.integer(static_cast<std::int64_t>(values.size()));
    for (const Value& value : values) append(to, value);
    return body;
}

}  // namespace loadstone::analytics::internal
