#pragma once
// Application: a program made of modules. main() adds them and runs it:
//
//     int main(int argc, char** argv) {
//         loadstone::server::Application application("campus", "Campus: a learning platform");
//         application.add(campus::accounts::module());
//         return application.run(argc, argv);
//     }
//
// Commands: serve, migrate, jobs ..., db ..., views ..., mail, why, settings, openapi, and what the
// modules declare (Module::commands).

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace loadstone::server {

class Application {
public:
    // `program` is also the prefix of environment variables and the name of the configuration
    // file.
    Application(std::string program, std::string title, std::string version = "0.1.0");

    Application& add(Module module);
    // Printed by `serve` when it listens; "{url}" stands for the server's address, "{program}" for
    // how the program was called, "{options}" for what its commands need to find this server's
    // data.
    Application& greet_with(std::string text);

    // Exit status: 0, 1 for an error (told on stderr), 2 for wrong usage.
    int run(int argc, char** argv);

private:
    std::string program_, title_, version_, greeting_;
    std::vector<Module> modules_;
};

}  // namespace loadstone::server
