// A shop that writes invoices: every feature of jobs, once each. README.md says what to look at.

#include "ledger/ledger.h"
#include "loadstone/server/application.h"
#include "shop/shop.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("shop", "Shop: jobs by example");
    application.add(shop::module());
    application.add(ledger::module());
    return application.run(argc, argv);
}
