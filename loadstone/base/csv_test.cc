#include "loadstone/base/csv.h"

#include <gtest/gtest.h>

namespace loadstone {
namespace {

std::string record(std::initializer_list<std::string_view> cells) {
    std::string out;
    append_csv_record(out, cells);
    return out;
}

TEST(Csv, EndsEachRecordWithCrLf) {
    EXPECT_EQ(record({"id", "action"}), "id,action\r\n");
    EXPECT_EQ(record({"", ""}), ",\r\n");
    std::string two;
    append_csv_record(two, {"a"});
    append_csv_record(two, {"b"});
    EXPECT_EQ(two, "a\r\nb\r\n");
}

TEST(Csv, QuotesOnlyWhatMustBeQuoted) {
    EXPECT_EQ(record({"a,b", "say \"hi\"", "two\nlines", "cr\r", "plain text; this"}),
              "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"cr\r\",plain text; this\r\n");
    EXPECT_EQ(record({"\""}), "\"\"\"\"\r\n");
    EXPECT_EQ(record({"Z\xc3\xbcrich"}), "Z\xc3\xbcrich\r\n");
}

TEST(Csv, TakesTheEdgeOffFormulas) {
    EXPECT_EQ(record({"=1+1", "+1", "-1", "@sum", "\tx"}), "'=1+1,'+1,'-1,'@sum,'\tx\r\n");
    EXPECT_EQ(record({"=HYPERLINK(\"http://a\",\"b\")"}),
              "\"'=HYPERLINK(\"\"http://a\"\",\"\"b\"\")\"\r\n");
    EXPECT_EQ(record({"\r=1"}), "\"'\r=1\"\r\n");
    EXPECT_EQ(record({"1=1", " =1", "a-b"}), "1=1, =1,a-b\r\n") << "only at the start";
}

}  // namespace
}  // namespace loadstone
