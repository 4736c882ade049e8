// The program of docs/guides/data_access.md: typed SQL on SQLite or PostgreSQL.

#include "loadstone/server/application.h"
#include "shelf/shelf.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("shelf", "Shelf");
    application.add(shelf::module());
    return application.run(argc, argv);
}
