// The program of docs/guides/derived_data.md: what is counted once, and what is asked elsewhere.

#include "loadstone/server/application.h"
#include "polls/polls.h"

int main(int argc, char** argv) {
    loadstone::server::Application application("polls", "Polls");
    application.add(polls::module());
    return application.run(argc, argv);
}
