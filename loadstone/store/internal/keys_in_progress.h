#pragma once
// KeysInProgress: the writes under an Idempotency-Key that run in this process. Thread-safe.

#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

namespace loadstone::store::internal {

class KeysInProgress {
public:
    static constexpr std::size_t keys_max = 65'536;

    // Ends the key's use when destroyed; must not outlive the set.
    class Hold {
    public:
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() { set_->release(key_); }

    private:
        friend class KeysInProgress;
        Hold(KeysInProgress& set, std::string key) : set_(&set), key_(std::move(key)) {}

        KeysInProgress* set_;
        std::string key_;
    };

    // Errors: conflict if the key is in use, unavailable above `keys_max`.
    Hold hold(const std::string& key);
    std::size_t size() const;

private:
    void release(const std::string& key) noexcept;

    mutable std::mutex mutex_;
    std::unordered_set<std::string> keys_;
};

}  // namespace loadstone::store::internal
