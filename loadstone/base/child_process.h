#pragma once
// A program as a child of this process.

#include <sys/types.h>

#include <string>
#include <vector>

namespace loadstone {

// A socket, of which the child has the other end as its standard input: when this process ends, by
// whatever way, the child learns it.
struct Child {
    pid_t pid = -1;
    int socket = -1;
};

// Where a file that is given to a child is open in it.
inline constexpr int file_of_child = 3;

// Starts a program; `arguments` begin with its name. Nothing else of this process is open in it but
// standard output, standard error and `file`, unless that is -1. It is of a process group of its
// own: what a terminal sends this process is this process's to deal with. Errors: unavailable.
Child spawn_child(const std::string& program, std::vector<std::string> arguments, int file = -1);

}  // namespace loadstone
