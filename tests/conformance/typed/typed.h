#pragma once
// What the tests of generated functions run on: a fresh database with the tables of sql/.

#include <vector>

#include "loadstone/store/tx.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/typed/sql.h"

namespace tests::conformance::typed {

class TypedConformance : public ::testing::TestWithParam<Backend> {
protected:
    TypedConformance() : database_(GetParam()), options_(test_options(database_.url())) {
        const std::vector<loadstone::store::ModuleMigrations> modules{
            loadstone::store::store_migrations(), {"typed", sql::migrations}};
        loadstone::store::migrate(options_, modules);
        store_.emplace(options_);
    }
    TestStore& store() { return *store_; }

    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
};

using Rows = std::vector<sql::AddNotesNotes>;

inline Task<std::uint64_t> insert_notes(Tx& tx, const Rows& rows) {
    co_return co_await sql::add_notes(tx, rows);
}
inline Task<std::uint64_t> add_notes(Context& context, Rows rows) {
    co_return co_await context.write(insert_notes, rows);
}

}  // namespace tests::conformance::typed
