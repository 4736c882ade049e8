#include "loadstone/store/postgres/internal/deferred.h"

#include <utility>

namespace loadstone::store::postgres {

Deferred::Deferred(StatementRef statement, std::span<const Value> values, DeferredRows take)
    : statement_(statement), take_(std::move(take)), values_(values.begin(), values.end()) {
    std::size_t size = 0;
    for (const Value& value : values_) size += value.text.size();
    text_.reserve(size);
    for (Value& value : values_) {
        const std::size_t at = text_.size();
        text_ += value.text;
        value.text = std::string_view(text_).substr(at, value.text.size());
    }
}

Operation& Deferred::make_operation(Context& context, Metrics& metrics) {
    operation_.emplace(context, statement_, std::span<const Value>(values_), nullptr);
    account_.emplace(metrics, *operation_);
    return *operation_;
}

void Deferred::account(bool succeeded) {
    if (succeeded) account_->succeeded();
    account_.reset();
}

}  // namespace loadstone::store::postgres
