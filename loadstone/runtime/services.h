#pragma once
// Services: the parts of a running server by type (Database, Mailer, ...), filled once at
// construction by server/, read-only afterwards. It holds references; their owner is the server.

#include <vector>

#include "loadstone/base/assert.h"

namespace loadstone::runtime {

class Services {
public:
    template <class T>
    void add(T& service) {
        LOADSTONE_ASSERT(find<T>() == nullptr, "one service of a type");
        entries_.push_back({&tag<T>, &service});
    }

    template <class T>
    T* find() const noexcept {
        for (const Entry& entry : entries_) {
            if (entry.type == &tag<T>) return static_cast<T*>(entry.object);
        }
        return nullptr;
    }

    template <class T>
    T& get() const noexcept {
        T* service = find<T>();
        LOADSTONE_ASSERT(service != nullptr, "this service is not part of the server");
        return *service;
    }

private:
    template <class T>
    static constexpr char tag = 0;

    struct Entry {
        const void* type;
        void* object;
    };
    std::vector<Entry> entries_;
};

}  // namespace loadstone::runtime
