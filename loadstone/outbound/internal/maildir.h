#pragma once
// Maildir: mails as files (tmp/, new/, cur/), each once: the file's name is made from the
// message-id. One thread; two processes may share a folder.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/outbound/mail.h"

namespace loadstone::outbound::internal {

// Letters, digits and -_+@ as they are, a "." too unless it comes first, other bytes as =XX, and
// above 180 bytes the rest as a hash: different ids give different names, on a file system that
// tells upper from lower case.
std::string maildir_name(std::string_view message_id);

class Maildir {
public:
    // Makes the folders, removes what was left in tmp/ over 36 hours ago. Throws Error
    // unavailable.
    explicit Maildir(std::string path);

    struct Mail {
        std::string name;     // from maildir_name
        std::string content;  // as rendered, CRLF
    };
    // Each is on the disk and in new/ when it is `sent`; one sync of the folder serves all. One
    // that is in new/ or cur/ already is `sent` and left as it is.
    std::vector<MailResult> deliver(const std::vector<Mail>& mails);

private:
    MailResult put(const Mail& mail);
    std::string write_tmp(const Mail& mail, std::string& fault);
    bool is_in_cur(const std::string& name) const;

    std::string path_;
    std::string tmp_suffix_;
    unsigned long long next_ = 0;
};

// Throws what Maildir throws.
std::unique_ptr<Mailer> make_maildir_mailer(const std::string& path, Mailbox sender,
                                            telemetry::Registry& registry);

}  // namespace loadstone::outbound::internal
