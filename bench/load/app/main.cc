// The program that bench/load measures: everything on, as an application has it. `fill N` makes
// rows to read; `enqueue`, `enqueue-each`, `pace` and `stream` make jobs.

#include <cstdlib>

#include "items/items.h"
#include "loadstone/server/application.h"
#include "reach/reach.h"
#include "rows/rows.h"
#include "told/told.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("bench", "Benchmark application");
    application.add(rows::module());
    application.add(items::module());
    application.add(reach::module());
    // With facts there is a column store, and a feed that looks for them: only who measures these
    // has them.
    if (std::getenv("MEASURE_FACTS") != nullptr) application.add(told::module());
    return application.run(argc, argv);
}
