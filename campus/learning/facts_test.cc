#include "campus/learning/facts.h"

#include <gtest/gtest.h>

namespace campus::learning {
namespace {

TEST(LearningFacts, AreThoseThatItsQuestionsWereCheckedAgainst) {
    std::vector<loadstone::analytics::FactTable> tables;
    loadstone::Facts declared("learning", tables);
    EXPECT_NO_THROW(facts(declared));
    EXPECT_EQ(tables.size(), 1U);
}

}  // namespace
}  // namespace campus::learning
