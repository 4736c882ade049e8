#include "campus/accounts/accounts.h"

#include <gtest/gtest.h>

#include "campus/accounts/session.h"

namespace campus::accounts {
namespace {

TEST(Email, IsUniqueWithoutRegardToCase) {
    EXPECT_EQ(normalised_email("Ada.Lovelace@Example.ORG"), "ada.lovelace@example.org");
    EXPECT_EQ(normalised_email("ada+notes@example.org"), "ada+notes@example.org");
    EXPECT_EQ(normalised_email("\xc3\x84"
                               "da@example.org"),
              "\xc3\x84"
              "da@example.org")
        << "only ASCII letters";
}

TEST(SessionToken, IsSecretLongAndKeptOnlyAsItsHash) {
    const NewSession a = new_session();
    const NewSession b = new_session();
    EXPECT_NE(a.token, b.token);
    EXPECT_EQ(a.token.size(), 43U) << "32 bytes in base64url";
    EXPECT_EQ(a.token_hash, token_hash(a.token));
    EXPECT_EQ(a.token_hash.size(), 64U);
    EXPECT_EQ(token_hash("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace campus::accounts
