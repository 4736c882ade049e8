#include "campus/accounts/accounts.h"
#include "campus/audit/audit.h"
#include "campus/notifications/notifications.h"
#include "loadstone/server/application.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("campus", "Campus: a learning platform");
    application.add(campus::accounts::module());
    application.add(campus::audit::module());
    application.add(campus::notifications::module());
    return application.run(argc, argv);
}
