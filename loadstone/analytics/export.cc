#include "loadstone/analytics/export.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/internal/query_body.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/internal/store_client.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

using internal::WireReader;
using internal::WireWriter;

namespace {

constexpr int grace_ms = 2'000;
constexpr std::int64_t megabyte = 1'000'000;

}  // namespace

ExportedFile& ExportedFile::operator=(ExportedFile&& other) noexcept {
    std::swap(path_, other.path_);
    rows_ = other.rows_;
    bytes_ = other.bytes_;
    as_of_ = other.as_of_;
    return *this;
}

ExportedFile::~ExportedFile() {
    std::error_code failed;
    if (!path_.empty()) std::filesystem::remove(path_, failed);
}

Task<ExportedFile> export_values(Context& context, const Query& query, std::string name,
                                 std::span<const store::Value> values) {
    Analytics& analytics = context.services().get<Analytics>();
    ExportedFile file;
    auto ask = [&] {
        internal::QueryBounds bounds;
        bounds.timeout =
            std::min(context.deadline().remaining(), analytics.options().export_timeout);
        bounds.bytes_max = analytics.options().export_mb_max * megabyte;
        std::string body;
        WireWriter to(body);
        to.text(name);
        body += internal::query_body(query.text, values, bounds);
        std::int64_t rows = 0, bytes = 0;
        auto on_columns = [](const std::vector<Column>&) {};
        auto on_rows = [&](std::string_view row) {
            WireReader from(row);
            rows = from.integer();
            bytes = from.integer();
        };
        const int patience = static_cast<int>(bounds.timeout.count()) + grace_ms;
        try {
            const auto state = analytics.client().export_file(body, patience, on_columns, on_rows);
            file = ExportedFile(analytics.options().folder + "/exports/" + name, rows, bytes,
                                {state.as_of});
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", query.name, error.message()));
        }
    };
    co_await analytics.exports().run(context, ask);
    co_return file;
}

}  // namespace loadstone::analytics
