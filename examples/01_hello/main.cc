// A whole program: one module with one table, a route that writes and a route that reads.
//
//   hello serve &
//   curl -X POST localhost:8080/hello/Ada     {"greeting":"Hello, Ada","times":1}
//   curl localhost:8080/hello                 {"names":[{"name":"Ada","times":1}]}

#include "hello/sql.h"
#include "loadstone/module/module.h"
#include "loadstone/server/application.h"

namespace hello {

using namespace loadstone;

struct Greeting {
    std::string greeting;
    std::int64_t times = 0;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (greeting, times))

// A row of most_greeted, as JSON.
namespace sql {
BOOST_DESCRIBE_STRUCT(Greeted, (), (name, times))
}

struct MostGreeted {
    std::vector<sql::Greeted> names;
};
BOOST_DESCRIBE_STRUCT(MostGreeted, (), (names))

// A write is a function of a Tx: one transaction.
Task<std::int64_t> count_greeting(Tx& tx, std::string name) {
    co_return co_await sql::count_greeting(tx, name);
}

Task<Reply<Greeting>> greet(Context& context, Path<std::string> name) {
    Reply<Greeting> reply;
    reply.body.greeting = "Hello, " + name.value;
    reply.body.times = co_await context.write(count_greeting, name.value);
    co_return reply;
}

// A read takes a Reader, which cannot write.
Task<Reply<MostGreeted>> most_greeted(Context& context) {
    Reply<MostGreeted> reply;
    reply.body.names = co_await sql::most_greeted(context.reader());
    co_return reply;
}

void routes(Routes& routes) {
    routes.post("/hello/{name}", greet).open_to_all();
    routes.get("/hello", most_greeted).open_to_all();
}

}  // namespace hello

int main(int argc, char** argv) {
    loadstone::server::Application application("hello", "Hello");
    application.add(
        {.name = "hello", .migrations = hello::sql::migrations, .routes = hello::routes});
    return application.run(argc, argv);
}
