#pragma once
// Views: what a module declares of derived data, in its views.cc (module::Module::views):
//
//     void views(Views& views) {
//         views.statements(sql::accesses);     // generated: sql_accesses.h
//         views.add(lesson_reach_of_course);   // a View
//         views.add(completions_of_course);    // an Aggregate
//     }

#include <span>
#include <string>

#include "loadstone/cache/sources.h"

namespace loadstone::cache {

template <class Key, class T>
struct View;

class Views {
public:
    Views(std::string module, Sources& all) : module_(std::move(module)), all_(&all) {}

    // What each statement of the module reads and writes: of all that views of any module run, and
    // of all that write what those read.
    void statements(std::span<const store::Access> accesses);
    // Both must live as long as the program. Errors: invalid_argument for a name that is given
    // already, or that does not begin with the module's.
    template <class Key, class T>
    void add(const View<Key, T>& view) {
        add_name(view.name);
        all_->watched.insert(all_->watched.end(), view.reads.begin(), view.reads.end());
    }
    void add(const Aggregate& aggregate);

private:
    void add_name(const std::string& name);

    std::string module_;
    Sources* all_;
};

}  // namespace loadstone::cache

namespace loadstone {
using cache::Views;
}
