#pragma once
// NumberList: an array as a question takes it, one text on both stores: "3,5"; rows "3:10,5:2". Of
// integers, Timestamps and ids.

#include <cstdint>
#include <string>

#include "loadstone/base/id.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics {

class NumberList {
public:
    // An element; of a row its values.
    template <class First, class... More>
    void add(const First& first, const More&... more) {
        if (!text_.empty()) text_ += ',';
        append(first);
        (append_behind(more), ...);
    }
    const std::string& text() const noexcept { return text_; }

private:
    template <class T>
    void append_behind(const T& value) {
        text_ += ':';
        append(value);
    }
    void append(std::int64_t value) { text_ += std::to_string(value); }
    void append(Timestamp value) { append(value.micros); }
    template <class Tag>
    void append(Id<Tag> value) {
        append(value.value);
    }

    std::string text_;
};

}  // namespace loadstone::analytics
