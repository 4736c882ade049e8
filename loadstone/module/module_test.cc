#include "loadstone/module/module.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace loadstone::module {
namespace {

Module named(std::string name, std::vector<std::string> depends_on = {}) {
    Module module;
    module.name = std::move(name);
    module.depends_on = std::move(depends_on);
    return module;
}

std::string names(const std::vector<Module>& modules) {
    std::string all;
    for (const Module& module : modules) all += module.name + " ";
    return all;
}

std::string refusal(std::vector<Module> modules) {
    try {
        in_dependency_order(std::move(modules));
    } catch (const Error& error) {
        return error.message();
    }
    return "accepted";
}

TEST(Modules, ComeAfterWhatTheyDependOn) {
    EXPECT_EQ(
        names(in_dependency_order({named("a", {"c"}), named("b"), named("c", {"d"}), named("d")})),
        "b d c a ");
    EXPECT_EQ(names(in_dependency_order({})), "");
}

TEST(Modules, AreRefusedByNameWhenTheyDoNotFit) {
    EXPECT_EQ(refusal({named("a"), named("a")}), "two modules are called a");
    EXPECT_EQ(refusal({named("a", {"x"})}),
              "module a depends on x, which is not part of the program");
    EXPECT_EQ(refusal({named("a", {"b"}), named("b", {"a"}), named("c")}),
              "modules depend on each other in a circle: a, b");
}

}  // namespace
}  // namespace loadstone::module
