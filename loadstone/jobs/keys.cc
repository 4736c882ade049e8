#include "loadstone/jobs/keys.h"

#include "loadstone/base/sha256.h"

namespace loadstone::jobs {

namespace {

constexpr std::size_t key_bytes_max = 200;  // of one key as it stands in the database

// A key that is longer keeps its beginning, for people, and a hash of all of it.
std::string bounded(std::string_view key) {
    if (key.size() <= key_bytes_max) return std::string(key);
    std::string out(key.substr(0, key_bytes_max - 40));
    while (!out.empty() && (static_cast<unsigned char>(key[out.size()]) & 0xC0) == 0x80)
        out.pop_back();
    return out + "#" + sha256_hex({key}).substr(0, 32);
}

void append_escaped(std::string& out, std::string_view part) {
    for (const char c : bounded(part)) {
        if (c == '%') {
            out += "%25";
        } else if (c == '|') {
            out += "%7C";
        } else {
            out += c;
        }
    }
}

}  // namespace

std::string partition_of(const Kind& kind, const void* arguments) {
    std::string out;
    if (!kind.is_keyed()) return out;
    if (kind.tenant.text) append_escaped(out, kind.tenant.text(arguments));
    for (const KindLimit& each : kind.limits) {
        out += '|';
        append_escaped(out, each.limit.name);
        out += ':';
        append_escaped(out, each.field.text(arguments));
    }
    return out;
}

std::string unique_key_of(const Kind& kind, const void* arguments, std::string_view json) {
    std::string out;
    if (!kind.is_unique) return out;
    append_escaped(out, kind.name);
    if (kind.unique.empty()) {
        out += '|';
        append_escaped(out, json);
    }
    for (const internal::KeyField& field : kind.unique) {
        out += '|';
        append_escaped(out, field.text(arguments));
    }
    return out;
}

Partition parse_partition(std::string_view text) {
    Partition partition;
    const auto end = text.find('|');
    partition.tenant = text.substr(0, end);
    while (text.find('|') != std::string_view::npos) {
        text.remove_prefix(text.find('|') + 1);
        partition.limits.emplace_back(text.substr(0, text.find('|')));
    }
    return partition;
}

std::string_view limit_name(std::string_view limit_and_key) {
    return limit_and_key.substr(0, limit_and_key.find(':'));
}

}  // namespace loadstone::jobs
