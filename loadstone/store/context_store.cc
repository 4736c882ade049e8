#include "loadstone/store/context_store.h"

namespace loadstone::runtime {

store::Reader Context::reader() {
    auto& database = services().get<store::Database>();
    return store::Reader(*this, database.read_connection());
}

}  // namespace loadstone::runtime
