#pragma once
// What every store test runs on: a fresh database with the tables of sql/, on each backend.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"
#include "tests/conformance/sql.h"
#include "tests/support/test_store.h"
#include "tests/support/wait_until.h"

namespace tests::conformance {

using loadstone::Context;
using loadstone::Deadline;
using loadstone::Errc;
using loadstone::Error;
using loadstone::Reader;
using loadstone::Task;
using loadstone::Tx;

struct Item {
    std::int64_t id = 0;
    std::string name;
    std::int64_t quantity = 0;
};
BOOST_DESCRIBE_STRUCT(Item, (), (id, name, quantity))

inline std::vector<loadstone::store::ModuleMigrations> all_migrations() {
    return {loadstone::store::store_migrations(), {"conformance", sql::migrations}};
}

class Conformance : public ::testing::TestWithParam<Backend> {
protected:
    Conformance() : database_(GetParam()), options_(test_options(database_.url())) {
        const auto modules = all_migrations();
        loadstone::store::migrate(options_, modules);
    }
    // Opened at first use, so that a test may change the options.
    TestStore& store() {
        if (!store_) store_.emplace(options_);
        return *store_;
    }
    bool is_sqlite() const { return GetParam() == Backend::sqlite; }

    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
};

// The code of the Error that `call` throws; nothing if it throws none.
template <class Call>
std::optional<Errc> code_of(Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

inline Task<std::int64_t> insert_item(Tx& tx, std::string name, std::int64_t quantity) {
    co_return co_await tx.one<std::int64_t>(sql::insert_item, name, quantity);
}
inline Task<std::int64_t> add_item(Context& context, std::string name, std::int64_t quantity) {
    co_return co_await context.write(insert_item, name, quantity);
}
inline Task<std::int64_t> quantity_of(Context& context, std::string name) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(sql::quantity_of, name);
}
inline Task<std::int64_t> item_count(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(sql::item_count);
}

}  // namespace tests::conformance

// Each on every database.
#define LOADSTONE_ON_EVERY_BACKEND(Suite)                                       \
    INSTANTIATE_TEST_SUITE_P(                                                   \
        On, Suite,                                                              \
        ::testing::Values(::tests::Backend::sqlite, ::tests::Backend::postgres, \
                          ::tests::Backend::pgbouncer),                         \
        [](const auto& backend) { return ::tests::to_string(backend.param); })
