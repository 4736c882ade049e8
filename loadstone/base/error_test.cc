#include "loadstone/base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "loadstone/base/result.h"

namespace loadstone {
namespace {

TEST(Errc, EachHasANameOfItsOwn) {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(Errc::internal); ++i)
        names.insert(to_string(static_cast<Errc>(i)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(Errc::internal) + 1);
    EXPECT_EQ(to_string(Errc::deadline_exceeded), "deadline_exceeded");
}

TEST(Error, CarriesWhatItWasGiven) {
    const Error error = Error(Errc::unavailable, "no connection is free")
                            .with_retry_after(std::chrono::milliseconds(250))
                            .with_field("items[2].name");
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_STREQ(error.what(), "no connection is free");
    EXPECT_EQ(error.retry_after(), std::chrono::milliseconds(250));
    EXPECT_EQ(error.field(), "items[2].name");
}

template <class Exception>
Error caught(Exception exception) {
    return error_from_exception(std::make_exception_ptr(std::move(exception)));
}

TEST(Error, OfAnExceptionIsTheErrorItself) {
    const Error error = caught(Error(Errc::not_found, "no course 7").with_field("course"));
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_EQ(error.message(), "no course 7");
    EXPECT_EQ(error.field(), "course");
}

TEST(Error, OfAForeignExceptionIsInternal) {
    EXPECT_EQ(caught(std::runtime_error("boom")).code(), Errc::internal);
    EXPECT_EQ(caught(std::runtime_error("boom")).message(), "boom");
    EXPECT_EQ(caught(7).message(), "an exception of unknown type");
    EXPECT_EQ(caught(std::bad_alloc()).code(), Errc::unavailable);
}

Result<int> half(int number) {
    if (number % 2 != 0) return failure(Errc::invalid_argument, "the number is odd");
    return number / 2;
}

TEST(Result, GivesItsValueOrThrowsItsError) {
    EXPECT_EQ(value_or_throw(half(8)), 4);
    try {
        value_or_throw(half(7));
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument);
        EXPECT_EQ(error.message(), "the number is odd");
    }
}

TEST(Result, OfNothingThrowsItsErrorToo) {
    value_or_throw(Result<void>());
    Result<void> failed = failure(Errc::cancelled, "stopped");
    EXPECT_THROW(value_or_throw(std::move(failed)), Error);
}

}  // namespace
}  // namespace loadstone
