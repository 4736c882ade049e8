#include "loadstone/store/postgres/internal/prepared.h"

#include <fmt/format.h>

namespace loadstone::store::postgres {

namespace {

bool fits(const Prepared& prepared, const StatementRef& statement, const BoundValues& values) {
    // The text is looked at as well, for statements that are not constants of the program.
    if (prepared.text.data() != statement.postgres.data() ||
        prepared.text.size() != statement.postgres.size() ||
        prepared.types.size() != values.types().size()) {
        return false;
    }
    for (std::size_t i = 0; i < prepared.types.size(); ++i) {
        const Oid type = values.types()[i];
        if (type != oid::unknown && type != prepared.types[i]) return false;
    }
    return true;
}

}  // namespace

std::shared_ptr<Prepared> PreparedStatements::find_or_add(const StatementRef& statement,
                                                          const BoundValues& values) {
    if (const auto known = by_identity_.find(statement.identity); known != by_identity_.end()) {
        for (const auto& prepared : known->second) {
            if (fits(*prepared, statement, values)) return prepared;
        }
        if (known->second.size() == variants_max) return nullptr;
    }
    if (count_ == statements_max) return nullptr;
    auto added = std::make_shared<Prepared>();
    added->text = statement.postgres;
    added->types = values.types();
    renew(*added);
    by_identity_[statement.identity].push_back(added);
    ++count_;
    return added;
}

void PreparedStatements::renew(Prepared& prepared) {
    prepared.name = fmt::format("ls{}", ++named_);
    prepared.is_sent = false;
}

}  // namespace loadstone::store::postgres
