#include "loadstone/analytics/export.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

namespace {

constexpr std::int64_t megabyte = 1'000'000;

}  // namespace

ExportedFile& ExportedFile::operator=(ExportedFile&& other) noexcept {
    std::swap(path_, other.path_);
    rows_ = other.rows_;
    bytes_ = other.bytes_;
    as_of_ = other.as_of_;
    kept_by_.swap(other.kept_by_);
    return *this;
}

ExportedFile::~ExportedFile() {
    std::error_code failed;
    if (!path_.empty() && !kept_by_) std::filesystem::remove(path_, failed);
}

Task<ExportedFile> export_values(Context& context, const Query& query, std::string name,
                                 std::span<const store::Value> values) {
    context.require_no_transaction("analytics::export_rows()");
    Analytics& analytics = context.services().get<Analytics>();
    analytics.require_open();
    ExportedFile file;
    auto ask = [&] {
        internal::Question question;
        question.query = query;
        question.values = values;
        question.bounds.timeout =
            std::min(context.deadline().remaining(), analytics.options().export_timeout);
        question.bounds.bytes_max = analytics.options().export_mb_max * megabyte;
        try {
            const auto made = analytics.store().export_file(question, name);
            file = ExportedFile(made.path, made.rows, made.bytes, {made.as_of}, made.kept_by);
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", query.name, error.message()));
        }
    };
    co_await analytics.exports().run(context, ask);
    analytics.require_fresh(query.name, context.reading().freshness, file.as_of());
    co_return file;
}

}  // namespace loadstone::analytics
