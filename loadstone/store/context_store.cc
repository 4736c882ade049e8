#include "loadstone/store/context_store.h"

namespace loadstone::runtime {

store::Reader Context::reader() { return reader(reading_.freshness); }

store::Reader Context::reader(Freshness freshness) {
    require_no_transaction("context.reader()");
    auto& database = services().get<store::Database>();
    return store::Reader(*this, database.read_connection(), freshness);
}

}  // namespace loadstone::runtime
