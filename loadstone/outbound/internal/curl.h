#pragma once
// What both engines need of libcurl.

#include <curl/curl.h>

#include <memory>
#include <new>

#include "loadstone/base/assert.h"

namespace loadstone::outbound::internal {

// Called once, before libcurl is used (it counts on that where it is not thread-safe).
void initialise_curl();

// Of an engine's thread: signals are for other threads; a lost connection shows as an error, not
// as SIGPIPE.
void begin_engine_thread(const char* name);

struct Multi {
    Multi() : handle(curl_multi_init()) {
        if (handle == nullptr) throw std::bad_alloc();
    }
    ~Multi() { curl_multi_cleanup(handle); }
    Multi(const Multi&) = delete;
    Multi& operator=(const Multi&) = delete;
    CURLM* const handle;
};

template <class Value>
void set_option(CURL* easy, CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy, option, value);
    LOADSTONE_ASSERT(code == CURLE_OK, "libcurl has this option");
}

struct UrlCloser {
    void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
struct CurlStringCloser {
    void operator()(char* text) const noexcept { curl_free(text); }
};

}  // namespace loadstone::outbound::internal
