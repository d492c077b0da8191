#include "protocol/signer.hpp"

#include <gmock/gmock.h>

#include "protocol/constant_time.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;

constexpr ByteView kKey = "a0436f6c-1916-498b-8eb9-e81ab9368e84";

// The expected signatures are those of Python's hmac module over these parts in this order.
constexpr SignedParts kParts = {
    R"({"msg_id":"1","msg_type":"execute_request","session":"s","username":"u",)"
    R"("date":"2026-11-21T07:45:25.012735Z","version":"5.3"})",
    "{}", "{\"note\":\"\xc3\xa4\"}", R"json({"code":"print(1)"})json"};
constexpr ByteView kSha256 = "3c48e0b0e8cf5c04dd49bd828fd61b9253986be6dbd21b446b61f698c60dfc19";

Signer signer(ByteView key = kKey, ByteView scheme = "hmac-sha256") {
  auto made = Signer::create(key, scheme);
  EXPECT_TRUE(made) << made.error();
  return *std::move(made);
}

TEST(Signer, MatchesPythonsHmac) {
  const std::pair<ByteView, ByteView> rows[] = {
      {"hmac-sha256", kSha256},
      {"hmac-sha512",
       "5317a61efd935959fbfe3a33fb83db4c6c30dd160874158379ab5b62ea5669509e16ec3c210aa45bb3079163f9c"
       "30f6bd2b1c126bd42ba8eb73f65fa789a788e"},
      {"hmac-sha384",
       "15419fc69eb9dbf72507d81477711a2b564ed45fdc3074aa367ac8b7e6b63086779671ccf5a7a34c24edb06269f"
       "5edcc"},
      {"hmac-sha1", "3b3292b57286bf5f9521b15f5911164abe7c175e"},
      {"hmac-md5", "15d6feb8fc9e4f5591e0485801921827"},
      {"hmac-sha3-256", "a8c954da5f81b00b9c96dee3d33fe253b359d787c5b23b2ac71d2bebdebcca81"},
  };
  for (const auto& [scheme, signature] : rows) {
    Signer each = signer(kKey, scheme);
    EXPECT_EQ(each.sign(kParts), signature) << scheme;
    EXPECT_TRUE(each.verify(signature, kParts)) << scheme;
  }
}

TEST(Signer, MatchesPythonsHmacForKeysOfAnyBytesAndLength) {
  EXPECT_EQ(signer(std::string(200, 'k')).sign(kParts),
            "5ceb4b7b4f9fda812defe5816e9da0be725dbe451a63489a58a8de693e729c30");
  EXPECT_EQ(signer(ByteView("\0\xff", 2)).sign(kParts),
            "71130f5f0b70c31410c1e2224d6b70b492e81f35e10dfd1f16024bc844866c88");
}

TEST(Signer, SignsEachMessageAnewWithOneContext) {
  Signer each = signer();
  const SignedParts other = {"{}", "{}", "{}", "{}"};
  const std::string first = each.sign(other);
  EXPECT_EQ(each.sign(kParts), kSha256);
  EXPECT_EQ(each.sign(other), first);
  EXPECT_FALSE(each.verify(first, kParts));
  EXPECT_TRUE(each.verify(kSha256, kParts));
}

TEST(Signer, SignsEmptyParts) {
  Signer each = signer();
  const SignedParts empty;
  EXPECT_EQ(each.sign(empty).size(), 64u);
  EXPECT_TRUE(each.verify(each.sign(empty), empty));
}

TEST(Signer, HandsOutThePartsItVerified) {
  const auto verified = signer().verify(kSha256, kParts);
  ASSERT_TRUE(verified);
  EXPECT_EQ((*verified)->content.data(), kParts.content.data());
  EXPECT_EQ((**verified).header, kParts.header);
}

TEST(Signer, RefusesEveryFlippedSignatureBit) {
  Signer each = signer();
  for (std::size_t i = 0; i < kSha256.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped(kSha256);
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_FALSE(each.verify(flipped, kParts)) << i << ' ' << bit;
    }
  }
}

TEST(Signer, RefusesEveryFlippedBitOfWhatIsSigned) {
  Signer each = signer();
  for (const auto part : {&SignedParts::header, &SignedParts::parent_header, &SignedParts::metadata,
                          &SignedParts::content}) {
    for (std::size_t i = 0; i < (kParts.*part).size(); ++i) {
      std::string flipped(kParts.*part);
      flipped[i] = static_cast<char>(flipped[i] ^ 1);
      SignedParts changed = kParts;
      changed.*part = flipped;
      EXPECT_FALSE(each.verify(kSha256, changed)) << i;
    }
  }
}

TEST(Signer, RefusesAShorterSignature) {
  Signer each = signer();
  for (std::size_t size = 0; size < kSha256.size(); ++size) {
    EXPECT_FALSE(each.verify(kSha256.substr(0, size), kParts)) << size;
  }
}

TEST(Signer, RefusesALongerSignature) {
  Signer each = signer();
  const std::string right(kSha256);
  for (const std::string& more : {right + '0', right + '\0', right + ' ', right + right}) {
    EXPECT_FALSE(each.verify(more, kParts));
  }
}

TEST(Signer, RefusesAnUpperCaseSignature) {
  std::string upper(kSha256);
  for (char& c : upper) c = static_cast<char>(c >= 'a' ? c - 32 : c);
  EXPECT_FALSE(signer().verify(upper, kParts));
}

TEST(Signer, RefusesTheSignatureOfAnotherKeyOrScheme) {
  EXPECT_FALSE(signer("another key").verify(kSha256, kParts));
  EXPECT_FALSE(signer(kKey, "hmac-sha512").verify(kSha256, kParts));
}

TEST(Signer, PartsMayNotTradePlaces) {
  Signer each = signer();
  SignedParts moved = kParts;
  std::swap(moved.metadata, moved.content);
  EXPECT_FALSE(each.verify(kSha256, moved));
}

TEST(Signer, RefusesAnEmptyKeyUnlessAllowed) {
  const auto refused = Signer::create("", "hmac-sha256");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("key is empty"));

  auto open = Signer::create("", "hmac-sha256", Signer::Unsigned::allow);
  ASSERT_TRUE(open) << open.error();
  EXPECT_EQ(open->sign(kParts), "");
  EXPECT_TRUE(open->verify("", kParts));
  EXPECT_TRUE(open->verify("anything", kParts));
}

TEST(Signer, AllowingUnsignedDoesNotTurnAKeyOff) {
  auto keyed = Signer::create(kKey, "hmac-sha256", Signer::Unsigned::allow);
  ASSERT_TRUE(keyed);
  EXPECT_EQ(keyed->sign(kParts), kSha256);
  EXPECT_FALSE(keyed->verify("", kParts));
}

TEST(Signer, RefusesUnknownSchemesByName) {
  for (const ByteView scheme : {"", "hmac", "hmac-", "hmac-sha257", "sha256", "HMAC-SHA256",
                                "hmac_sha256", "hmac-aes-128-cbc", "none"}) {
    const auto made = Signer::create(kKey, scheme);
    ASSERT_FALSE(made) << scheme;
    EXPECT_EQ(made.error().code, Code::invalid_argument);
    EXPECT_THAT(made.error().message, HasSubstr("'" + std::string(scheme) + "'"));
  }
}

TEST(Signer, NeverShowsTheKey) {
  EXPECT_THAT(Signer::create(kKey, "hmac-x").error().message,
              ::testing::Not(HasSubstr(std::string(kKey))));
}

TEST(Signer, MovesWithItsKey) {
  Signer first = signer();
  Signer second = std::move(first);
  EXPECT_EQ(second.sign(kParts), kSha256);
}

TEST(ConstantTime, ComparesLengthAndEveryByte) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time({}, ""));
  EXPECT_TRUE(equal_in_constant_time("secret", std::string("secret")));
  EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_in_constant_time("Secret", "secret"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secre"));
  EXPECT_FALSE(equal_in_constant_time("secre", "secret"));
  EXPECT_FALSE(equal_in_constant_time(ByteView("a\0b", 3), ByteView("a\0c", 3)));
}

}  // namespace
}  // namespace perijove
