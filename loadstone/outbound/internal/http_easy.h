#pragma once
// What every HTTP transfer of ours asks of libcurl, whoever drives it.

#include <memory>
#include <string>

#include "loadstone/outbound/http.h"
#include "loadstone/outbound/internal/curl.h"

namespace loadstone::outbound::internal {

struct EasyCloser {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyCloser>;

// Header lines as libcurl takes them; they outlive the transfer.
class HeaderList {
public:
    void add(const std::string& line);
    curl_slist* get() const noexcept { return list_.get(); }

private:
    struct Closer {
        void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
    };
    std::unique_ptr<curl_slist, Closer> list_;
};

// "Name: value". Errors: invalid_argument for what cannot be sent (RFC 9110 5.1, 5.5).
std::string header_line(const std::string& name, const std::string& value);

// http and https alone, no redirect, no proxy of the environment, no signals.
void configure_easy(CURL* easy, const HttpClientOptions& options);

}  // namespace loadstone::outbound::internal
