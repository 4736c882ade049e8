#include "loadstone/store/postgres/internal/target.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/backend.h"

namespace loadstone::store::postgres {

namespace {

constexpr std::chrono::milliseconds idle_in_transaction_max{4'000};

Error bad_url(std::string message) {
    return Error(Errc::invalid_argument, std::move(message)).with_field("database");
}

// Takes `name=value` out of the URL's query; libpq refuses what it does not know.
std::string take_parameter(std::string& url, std::string_view name) {
    const auto query = url.find('?');
    if (query == std::string::npos) return {};
    const std::string key = std::string(name) + "=";
    auto at = query + 1;
    while (at < url.size()) {
        const auto end = std::min(url.find('&', at), url.size());
        if (url.compare(at, key.size(), key) == 0) {
            std::string value = url.substr(at + key.size(), end - at - key.size());
            url.erase(at, end < url.size() ? end - at + 1 : end - at);
            while (!url.empty() && (url.back() == '?' || url.back() == '&')) url.pop_back();
            return value;
        }
        at = end + 1;
    }
    return {};
}

Parameters parse(const std::string& url) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(url.c_str(), &message), &PQconninfoFree);
    const std::unique_ptr<char, decltype(&PQfreemem)> owned(message, &PQfreemem);
    if (options == nullptr) {
        // libpq's text quotes the URL as it is, so it is shown only where there is nothing to
        // hide.
        const bool has_secret =
            url.find('@') != std::string::npos || url.find("password") != std::string::npos;
        std::string detail = has_secret || message == nullptr ? "" : fmt::format(": {}", message);
        while (!detail.empty() && detail.back() == '\n') detail.pop_back();
        throw bad_url(fmt::format("the database URL '{}' cannot be parsed{}",
                                  internal::without_password(url), detail));
    }
    Parameters parameters;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr && *option->val != '\0') {
            parameters.emplace_back(option->keyword, option->val);
        }
    }
    return parameters;
}

// One for each host, an empty one is the default; libpq would look at them only when it connects.
void require_ports(std::string_view ports) {
    while (!ports.empty()) {
        const std::string_view port = ports.substr(0, ports.find(','));
        ports.remove_prefix(std::min(port.size() + 1, ports.size()));
        if (port.empty()) continue;
        int number = 0;
        const char* const end = port.data() + port.size();
        const auto [stop, error] = std::from_chars(port.data(), end, number);
        if (error != std::errc{} || stop != end || number < 1 || number > 65'535) {
            throw bad_url(fmt::format("the database URL's port is '{}', not 1 to 65535", port));
        }
    }
}

std::string value_or(const Parameters& parameters, std::string_view keyword,
                     std::string otherwise) {
    const std::string* const found = find(parameters, keyword);
    return found == nullptr ? std::move(otherwise) : *found;
}

// As libpq has it: without a name it is the user's.
std::string database_name(const Parameters& parameters) {
    return value_or(parameters, "dbname", value_or(parameters, "user", ""));
}

std::string shown(const Parameters& parameters) {
    return fmt::format("{}:{}/{}",
                       value_or(parameters, "host", value_or(parameters, "hostaddr", "localhost")),
                       value_or(parameters, "port", "5432"), database_name(parameters));
}

void set_default(Parameters& parameters, std::string_view keyword, std::string value) {
    if (find(parameters, keyword) == nullptr) set(parameters, keyword, std::move(value));
}

Target target_of_url(std::string url) {
    const std::string pooler = take_parameter(url, "pooler");
    if (!pooler.empty() && pooler != "transaction") {
        throw bad_url(fmt::format("the database URL's pooler is '{}', not 'transaction'", pooler));
    }
    Target target;
    target.is_pooled = !pooler.empty();
    target.parameters = parse(url);
    if (const std::string* ports = find(target.parameters, "port")) require_ports(*ports);
    const std::string* host = find(target.parameters, "host");
    if (host == nullptr) host = find(target.parameters, "hostaddr");
    target.has_several_hosts = host != nullptr && host->find(',') != std::string::npos;
    target.shown = shown(target.parameters);
    return target;
}

std::vector<std::string> listed(const Parameters& parameters, std::string_view keyword) {
    std::vector<std::string> values;
    const std::string* const list = find(parameters, keyword);
    for (std::size_t at = 0; list != nullptr && at <= list->size();) {
        const auto comma = std::min(list->find(',', at), list->size());
        values.push_back(list->substr(at, comma - at));
        at = comma + 1;
    }
    return values;
}

}  // namespace

std::string_view to_string(Use use) noexcept {
    switch (use) {
        case Use::read: return "read";
        case Use::transaction: return "transaction";
        case Use::listen: return "listen";
        case Use::notify: return "notify";
        case Use::schema: return "schema";
        case Use::replica: return "replica";
        case Use::watch: return "watch";
    }
    return "";
}

const std::string* find(const Parameters& parameters, std::string_view keyword) noexcept {
    for (const auto& [name, value] : parameters) {
        if (name == keyword) return &value;
    }
    return nullptr;
}

void set(Parameters& parameters, std::string_view keyword, std::string value) {
    for (auto& [name, old] : parameters) {
        if (name == keyword) {
            old = std::move(value);
            return;
        }
    }
    parameters.emplace_back(keyword, std::move(value));
}

std::vector<Target> hosts_of(const Target& target) {
    std::vector<Target> servers;
    std::size_t count = 1;
    for (const std::string_view keyword : {"host", "hostaddr"})
        count = std::max(count, listed(target.parameters, keyword).size());
    for (std::size_t i = 0; i < count; ++i) {
        Target server = target;
        for (const std::string_view keyword : {"host", "hostaddr", "port"}) {
            const auto values = listed(target.parameters, keyword);
            if (values.empty()) continue;
            // One port may be that of all hosts.
            const std::string& value = values[std::min(i, values.size() - 1)];
            const bool is_default_port = keyword == "port" && value.empty();
            set(server.parameters, keyword, is_default_port ? "5432" : value);
        }
        server.shown = shown(server.parameters);
        servers.push_back(std::move(server));
    }
    return servers;
}

Target target_of(const DatabaseOptions& options) { return target_of_url(options.url); }

std::vector<Target> servers_of(const DatabaseOptions& options) {
    const Target own = target_of(options);
    std::vector<Target> servers = hosts_of(own);
    if (own.is_pooled && !options.replicas.urls.empty())
        throw bad_url("the database URL names a pooler; with replicas give the server's own");
    for (const std::string& url : options.replicas.urls) {
        const Target target = target_of_url(url);
        if (target.is_pooled) throw bad_url("the URL of a replica names a pooler; give its own");
        if (database_name(target.parameters) != database_name(own.parameters)) {
            throw bad_url(fmt::format("the replica {} is not of the database '{}'", target.shown,
                                      database_name(own.parameters)));
        }
        for (Target& server : hosts_of(target)) servers.push_back(std::move(server));
    }
    return servers;
}

std::size_t own_servers_of(const DatabaseOptions& options) {
    return hosts_of(target_of(options)).size();
}

Target primary_of(const DatabaseOptions& options) {
    Target target = target_of(options);
    if (options.replicas.urls.empty()) return target;
    const std::vector<Target> servers = servers_of(options);
    for (const std::string_view keyword : {"host", "hostaddr", "port"}) {
        std::string list;
        bool is_given = false;
        for (const Target& server : servers) {
            const std::string* const value = find(server.parameters, keyword);
            is_given = is_given || value != nullptr;
            if (&server != &servers.front()) list += ',';
            if (value != nullptr)
                list += *value;
            else if (keyword == "port")
                list += "5432";
        }
        if (is_given) set(target.parameters, keyword, list);
    }
    target.has_several_hosts = true;
    target.shown = shown(target.parameters);
    return target;
}

Parameters parameters_for(const Target& target, Use use, const DatabaseOptions& options) {
    Parameters parameters = target.parameters;
    set(parameters, "client_encoding", "UTF8");
    set_default(parameters, "application_name", "loadstone");
    // A peer that vanished without a word is found out within half a minute.
    set_default(parameters, "keepalives_idle", "10");
    set_default(parameters, "keepalives_interval", "5");
    set_default(parameters, "keepalives_count", "3");
    set_default(parameters, "tcp_user_timeout", "20000");
    if (target.has_several_hosts) {
        // A read-only session does not count as read-write, so readers ask for the primary.
        set_default(parameters, "target_session_attrs",
                    use == Use::read ? "primary" : "read-write");
    }
    // Where a session must see what it wrote, that is no matter of taste.
    if (use == Use::replica || use == Use::watch) {
        set(parameters, "target_session_attrs", "any");
    } else if (!options.replicas.urls.empty()) {
        set(parameters, "target_session_attrs", use == Use::read ? "primary" : "read-write");
    }
    if (use == Use::schema) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(options.connect_timeout);
        set(parameters, "connect_timeout", std::to_string(std::max<long>(2, seconds.count())));
    }
    if (target.is_pooled || use == Use::schema) return parameters;

    const std::string* given = find(parameters, "options");
    std::string session = given == nullptr ? "" : *given + " ";
    const auto timeout = options.statement_timeout_max.count();
    session += fmt::format("-c statement_timeout={}", timeout);
    if (use == Use::read || use == Use::replica || use == Use::watch)
        session += " -c default_transaction_read_only=on";
    if (use == Use::transaction) {
        // If this process stops in the middle of a transaction, its locks do not stay: shorter than
        // a lease of jobs, whose takeover would wait for them.
        const auto idle = std::min<std::int64_t>(2 * timeout, idle_in_transaction_max.count());
        session += fmt::format(" -c idle_in_transaction_session_timeout={}", idle);
        // Of what needs no BEGIN.
        session += " -c default_transaction_isolation=repeatable\\ read";
    }
    // Who is told is not told of more than was there; so nobody waits for the disk, or a standby.
    if (use == Use::notify) session += " -c synchronous_commit=off";
    set(parameters, "options", std::move(session));
    return parameters;
}

ParameterArrays::ParameterArrays(const Parameters& parameters) {
    for (const auto& [keyword, value] : parameters) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
}

}  // namespace loadstone::store::postgres
