#include "loadstone/jobs/keys.h"

#include <algorithm>

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

void append_escaped(std::string& out, std::string_view part, bool is_name = false) {
    for (const char c : bounded(part)) {
        if (c == '%') {
            out += "%25";
        } else if (c == '|') {
            out += "%7C";
        } else if (c == ':' && is_name) {
            out += "%3A";
        } else {
            out += c;
        }
    }
}

bool is_suspicion(std::string_view limit) {
    return limit.starts_with(suspect_limit) && limit.substr(suspect_limit.size()).starts_with(':');
}

}  // namespace

std::string unescaped(std::string_view text) {
    if (text.find('%') == std::string_view::npos) return std::string(text);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view code = text.substr(i, 3);
        if (code == "%25") {
            out += '%';
        } else if (code == "%7C") {
            out += '|';
        } else if (code == "%3A") {
            out += ':';
        } else {
            out += text[i];
            continue;
        }
        i += 2;
    }
    return out;
}

std::string tenant_in_partition(std::string_view tenant) {
    std::string out;
    append_escaped(out, tenant);
    return out;
}

std::string partition_of(const Kind& kind, const void* arguments) {
    std::string out;
    if (!kind.is_keyed()) return out;
    if (kind.tenant.text) append_escaped(out, kind.tenant.text(arguments));
    for (const KindLimit& each : kind.limits) {
        out += '|';
        append_escaped(out, each.limit.name, true);
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
    partition.tenant = text.substr(0, text.find('|'));
    const auto limits = limits_in(text);
    partition.limits.assign(limits.begin(), limits.end());
    return partition;
}

std::vector<std::string_view> limits_in(std::string_view partition) {
    std::vector<std::string_view> limits;
    limits.reserve(static_cast<std::size_t>(std::ranges::count(partition, '|')));
    for (auto bar = partition.find('|'); bar != std::string_view::npos; bar = partition.find('|')) {
        partition.remove_prefix(bar + 1);
        limits.push_back(partition.substr(0, partition.find('|')));
    }
    return limits;
}

std::string suspect_partition(std::string_view partition, std::string_view queue) {
    std::string out(partition);
    if (is_suspect(partition)) return out;
    out += '|';
    out += suspect_limit;
    out += ':';
    append_escaped(out, queue);
    return out;
}

bool is_suspect(std::string_view partition) {
    return std::ranges::any_of(limits_in(partition), is_suspicion);
}

std::string without_suspicion(std::string_view partition) {
    std::vector<std::string> suspicions;
    for (const std::string_view limit : limits_in(partition)) {
        if (is_suspicion(limit)) suspicions.emplace_back(limit);
    }
    return without_limits(partition, suspicions);
}

std::string without_limits(std::string_view partition, const std::vector<std::string>& limits) {
    std::string out(partition.substr(0, partition.find('|')));
    for (const std::string& name : parse_partition(partition).limits) {
        if (std::ranges::find(limits, name) == limits.end()) out += "|" + name;
    }
    return out;
}

std::string limit_key(std::string_view limit_and_key) {
    const auto colon = limit_and_key.find(':');
    return colon == std::string_view::npos ? std::string()
                                           : unescaped(limit_and_key.substr(colon + 1));
}

std::string limit_name(std::string_view limit_and_key) {
    return unescaped(limit_and_key.substr(0, limit_and_key.find(':')));
}

}  // namespace loadstone::jobs
