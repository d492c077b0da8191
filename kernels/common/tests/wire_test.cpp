#include "common/wire.hpp"

#include <gtest/gtest.h>

namespace perijove::kernels {
namespace {

using std::string_literals::operator""s;

Frames frames_of(std::initializer_list<std::string> texts) {
  Frames frames;
  for (const std::string& text : texts) frames.emplace_back(text.data(), text.size());
  return frames;
}

constexpr Parts kParts = {R"({"msg_id":"1"})", "{}", "{}", R"({"code":"1"})"};
// hmac.new(b"key", b'{"msg_id":"1"}{}{}{"code":"1"}', "sha256").hexdigest()
constexpr std::string_view kSha256 =
    "9681d006d2159c6df66cc9c1d736b90c9d9ab4a7804a0ec24c415359fb05e2f7";

TEST(Signer, AgreesWithPythonEachTimeItSigns) {
  Signer signer("hmac-sha256", "key");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(signer.sign(kParts), kSha256);
}

TEST(Signer, KnowsOtherDigests) {
  EXPECT_EQ(Signer("hmac-sha512", "key").sign(kParts).size(), 128u);
  EXPECT_EQ(Signer("hmac-md5", "key").sign(kParts), "acf3c55477e9aa18d30aa23d9dda07ea");
}

TEST(Signer, RefusesUnknownSchemes) {
  for (const char* scheme : {"", "sha256", "hmac-", "hmac-rot13", "HMAC-SHA256"}) {
    EXPECT_THROW(Signer(scheme, "key"), std::invalid_argument) << scheme;
  }
}

TEST(Signer, VerifiesItsOwnSignature) {
  Signer signer("hmac-sha256", "key");
  EXPECT_TRUE(signer.verify(kSha256, kParts));
}

TEST(Signer, RefusesSignaturesOfAnotherLength) {
  Signer signer("hmac-sha256", "key");
  for (std::size_t size = 0; size < kSha256.size(); ++size) {
    EXPECT_FALSE(signer.verify(kSha256.substr(0, size), kParts)) << size;
  }
  EXPECT_FALSE(signer.verify(std::string(kSha256) + "0", kParts));
  EXPECT_FALSE(signer.verify(std::string(kSha256) + "\0"s, kParts));
}

TEST(Signer, RefusesEveryFlippedBit) {
  Signer signer("hmac-sha256", "key");
  for (std::size_t bit = 0; bit < 8 * kSha256.size(); ++bit) {
    std::string changed(kSha256);
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(signer.verify(changed, kParts)) << bit;
  }
}

TEST(Signer, RefusesChangedParts) {
  Signer signer("hmac-sha256", "key");
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    Parts changed = kParts;
    changed[i] = R"({"x":1})";
    EXPECT_FALSE(signer.verify(kSha256, changed)) << i;
  }
}

TEST(Signer, WithoutKeySignsNothingAndBelievesEverything) {
  Signer signer("", "");
  EXPECT_EQ(signer.sign(kParts), "");
  EXPECT_TRUE(signer.verify("", kParts));
}

TEST(ReplayGuard, AdmitsEachSignatureOnce) {
  ReplayGuard guard;
  EXPECT_TRUE(guard.admit(kSha256));
  EXPECT_FALSE(guard.admit(kSha256));
  std::string other(kSha256);
  other[31] = other[31] == '0' ? '1' : '0';
  EXPECT_TRUE(guard.admit(other));
}

TEST(ReplayGuard, RemembersAsManyAsItPromises) {
  ReplayGuard guard;
  Signer signer("hmac-sha256", "key");
  const auto signature = [&](std::size_t i) {
    const std::string text = std::to_string(i);
    return signer.sign({text, "", "", ""});
  };
  for (std::size_t i = 0; i < ReplayGuard::kRemembered; ++i) ASSERT_TRUE(guard.admit(signature(i)));
  EXPECT_FALSE(guard.admit(signature(0)));
  EXPECT_TRUE(guard.admit(signature(ReplayGuard::kRemembered)));
  EXPECT_TRUE(guard.admit(signature(0)));
}

TEST(OpenEnvelope, FindsTheParts) {
  const Frames frames =
      frames_of({"client", "hop", "<IDS|MSG>", "sig", "h", "p", "m", "c", "b1", "b2"});
  const auto envelope = open_envelope(frames);
  ASSERT_TRUE(envelope);
  ASSERT_EQ(envelope->identities.size(), 2u);
  EXPECT_EQ(envelope->identities[1].to_string(), "hop");
  EXPECT_EQ(envelope->signature, "sig");
  EXPECT_EQ(envelope->parts, (Parts{"h", "p", "m", "c"}));
  ASSERT_EQ(envelope->buffers.size(), 2u);
  EXPECT_EQ(envelope->buffers[1].to_string(), "b2");
}

TEST(OpenEnvelope, RefusesWhatIsCutShort) {
  EXPECT_FALSE(open_envelope({}));
  EXPECT_FALSE(open_envelope(frames_of({"<IDS|MSG>"})));
  EXPECT_FALSE(open_envelope(frames_of({"client", "<IDS|MSG>", "sig", "h", "p", "m"})));
  EXPECT_FALSE(open_envelope(frames_of({"client", "sig", "h", "p", "m", "c", "b"})));
}

TEST(Seal, IsUndoneByOpenEnvelope) {
  Signer signer("hmac-sha256", "key");
  const std::string large(100'000, 'x');
  Message message;
  message.identities = {"client"};
  message.header = "h";
  message.content = large;
  message.buffers = {{'a', '\0'}, {}};
  const Frames frames = seal(std::move(message), signer);
  const auto envelope = open_envelope(frames);
  ASSERT_TRUE(envelope);
  EXPECT_TRUE(signer.verify(envelope->signature, envelope->parts));
  EXPECT_EQ(envelope->parts, (Parts{"h", "{}", "{}", large}));
  ASSERT_EQ(envelope->buffers.size(), 2u);
  EXPECT_EQ(envelope->buffers[0].to_string(), "a\0"s);
  EXPECT_EQ(envelope->buffers[1].size(), 0u);
}

TEST(NestsDeeperThan, CountsBracketsOutsideOfStrings) {
  EXPECT_FALSE(nests_deeper_than("[[{}]]", 3));
  EXPECT_TRUE(nests_deeper_than("[[{}]]", 2));
  EXPECT_FALSE(nests_deeper_than("[][][][]", 1));
  EXPECT_FALSE(nests_deeper_than(R"(["[[[[\"[[[["])", 1));
  EXPECT_TRUE(nests_deeper_than(R"(["\\",[[]]])", 2));
  EXPECT_FALSE(nests_deeper_than("]]]][", 1));
  EXPECT_FALSE(nests_deeper_than("\"\\", 0));
}

}  // namespace
}  // namespace perijove::kernels
