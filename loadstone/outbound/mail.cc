#include "loadstone/outbound/mail.h"

#include <fmt/format.h>

#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/mail_address.h"
#include "loadstone/outbound/internal/maildir.h"
#include "loadstone/outbound/internal/smtp_mailer.h"
#include "loadstone/outbound/internal/smtp_url.h"

namespace loadstone::outbound {

namespace {

void require(bool holds, std::string_view field, std::string message) {
    if (!holds)
        throw Error(Errc::invalid_argument, std::move(message)).with_field(std::string(field));
}

void require_sane(const MailOptions& options) {
    require(options.transfers_max >= 1 && options.transfers_max <= transfers_limit, "transfers_max",
            fmt::format("mail transfers_max is {}, expected 1 to {}", options.transfers_max,
                        transfers_limit));
    require(options.rate_min > 0 && options.rate_min <= options.rate_max, "rate_min",
            fmt::format("mail rates are {} to {} a second, expected 0 < rate_min <= rate_max",
                        options.rate_min, options.rate_max));
    require(options.connect_timeout.count() > 0 && options.transfer_timeout.count() > 0,
            "connect_timeout", "mail timeouts are not above 0");
}

constexpr std::string_view maildir = "maildir:";

std::string maildir_path(const std::string& url) {
    std::string path = url.substr(maildir.size());
    require(!path.empty() && path.find('\0') == std::string::npos, "url",
            "mail URL: maildir: has no path");
    return path;
}

Mailbox sender_of(const std::string& from) {
    try {
        return internal::parse_mailbox(from, "from");
    } catch (const Error& error) {
        throw Error(error.code(),
                    fmt::format("the sender of mail, \"{}\": {}", from, error.message()))
            .with_field("from");
    }
}

}  // namespace

std::string provider_of(std::string_view address) {
    std::string provider(address.substr(address.rfind('@') + 1));
    for (char& c : provider) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return provider;
}

void check_url(const std::string& url) {
    if (url.starts_with(maildir))
        maildir_path(url);
    else
        internal::parse_smtp_url(url, false);
}

void check_sender(const std::string& from) { sender_of(from); }

std::unique_ptr<Mailer> Mailer::open(const MailOptions& options, telemetry::Registry& registry) {
    require_sane(options);
    Mailbox sender = sender_of(options.from);
    if (options.url.starts_with(maildir)) {
        return internal::make_maildir_mailer(maildir_path(options.url), std::move(sender),
                                             registry);
    }
    internal::SmtpServer server = internal::parse_smtp_url(options.url, options.starttls_required);
    server.tls_ca_file = options.tls_ca_file;
    return internal::make_smtp_mailer(options, server, std::move(sender), registry);
}

}  // namespace loadstone::outbound
