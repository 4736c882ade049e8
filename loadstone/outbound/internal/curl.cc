#include "loadstone/outbound/internal/curl.h"

#include <pthread.h>
#include <signal.h>

namespace loadstone::outbound::internal {

void initialise_curl() {
    static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    LOADSTONE_ASSERT(code == CURLE_OK, "libcurl starts");
}

void begin_engine_thread(const char* name) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), name);
}

}  // namespace loadstone::outbound::internal
