#include "campus/accounts/accounts.h"
#include "campus/audit/audit.h"
#include "campus/courses/courses.h"
#include "campus/dashboards/dashboards.h"
#include "campus/discussions/discussions.h"
#include "campus/integrations/integrations.h"
#include "campus/learning/learning.h"
#include "campus/notifications/notifications.h"
#include "campus/organisations/organisations.h"
#include "campus/reports/reports.h"
#include "campus/seed/seed.h"
#include "loadstone/server/application.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("campus", "Campus: a learning platform");
    application.add(campus::accounts::module());
    application.add(campus::audit::module());
    application.add(campus::courses::module());
    application.add(campus::dashboards::module());
    application.add(campus::discussions::module());
    application.add(campus::integrations::module());
    application.add(campus::learning::module());
    application.add(campus::notifications::module());
    application.add(campus::organisations::module());
    application.add(campus::reports::module());
    application.add(campus::seed::module());
    application.greet_with(
        R"(
Campus listens on {url}. Try, in another terminal:

  curl -i {url}/api/register -H 'Content-Type: application/json' \
       -d '{"name":"Ada Lovelace","email":"ada@example.org","password":"correct horse battery"}'
  {program} mail{options}        the welcome mail
  {program} jobs list{options}   jobs that wait, run or have failed
  {program} why{options}         what takes the time

Ctrl-C stops it.
)");
    return application.run(argc, argv);
}
