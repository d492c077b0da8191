#include "protocol/ws_v1.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <random>

#include "support/hex.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using testing::from_hex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// jupyter_server's serialize_msg_to_ws_v1 for shell, {"a":1}, {}, {}, {} and one buffer 01 02.
const std::string kGolden = from_hex(
    "0700000000000000 4000000000000000 4500000000000000 4c00000000000000 4e00000000000000"
    "5000000000000000 5200000000000000 5400000000000000 7368656c6c 7b2261223a317d 7b7d 7b7d 7b7d"
    "0102");
constexpr std::size_t kOffsets = 7;  // of kGolden

std::string encode(const Message& message) {
  std::string bytes;
  append_ws_v1_preamble(bytes, message);
  EXPECT_EQ(bytes.size(), ws_v1_preamble_size(message));
  const SignedParts& parts = message.parts();
  for (const ByteView part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
    bytes += part;
  }
  for (const ByteView buffer : message.buffers()) bytes += buffer;
  return bytes;
}

MessagePtr to_message(const ClientMessage& message) {
  return Message::copy(message.channel, message.parts, message.buffers);
}

std::string with_word(std::string bytes, std::size_t index, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i, value >>= 8) {
    bytes[index * 8 + i] = static_cast<char>(value & 0xff);
  }
  return bytes;
}

std::string refusal(ByteView bytes) {
  const auto decoded = decode_ws_v1(bytes);
  EXPECT_FALSE(decoded);
  if (decoded) return {};
  EXPECT_EQ(decoded.error().code, Code::invalid_argument);
  return decoded.error().message;
}

TEST(WsV1, EncodesAsJupyterServerDoes) {
  const std::vector<ByteView> buffers = {"\x01\x02"};
  EXPECT_EQ(encode(*Message::copy(Channel::shell, {R"({"a":1})", "{}", "{}", "{}"}, buffers)),
            kGolden);
}

TEST(WsV1, DecodesWhatJupyterServerWrites) {
  const auto decoded = decode_ws_v1(kGolden);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::shell);
  EXPECT_EQ(decoded->parts.header, R"({"a":1})");
  EXPECT_EQ(decoded->parts.parent_header, "{}");
  EXPECT_EQ(decoded->parts.metadata, "{}");
  EXPECT_EQ(decoded->parts.content, "{}");
  EXPECT_THAT(decoded->buffers, ElementsAre("\x01\x02"));
}

TEST(WsV1, DecodesToViewsOfTheMessage) {
  const auto decoded = decode_ws_v1(kGolden);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->parts.header.data(), kGolden.data() + 0x45);
  EXPECT_EQ(decoded->buffers[0].data(), kGolden.data() + 0x52);
}

TEST(WsV1, KnowsTheChannelsOfClients) {
  for (const Channel channel :
       {Channel::shell, Channel::iopub, Channel::stdin_, Channel::control}) {
    const std::string bytes = encode(*Message::copy(channel, {"{}", "{}", "{}", "{}"}));
    const auto decoded = decode_ws_v1(bytes);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(decoded->channel, channel);
    EXPECT_THAT(decoded->buffers, IsEmpty());
  }
}

TEST(WsV1, RefusesUnknownChannels) {
  EXPECT_THAT(refusal(encode(*Message::copy(Channel::heartbeat, {"{}", "{}", "{}", "{}"}))),
              HasSubstr("unknown channel"));
  std::string other = kGolden;
  other.replace(0x40, 5, "shelL");
  EXPECT_THAT(refusal(other), HasSubstr("unknown channel"));
  EXPECT_THAT(refusal(with_word(kGolden, 2, 0x40)), HasSubstr("unknown channel"));  // empty name
}

TEST(WsV1, ReadsBackWhatItWrote) {
  constexpr unsigned kSeed = 3;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 4 + static_cast<int>(random() % 6); ++i) {
      std::string& text = texts.emplace_back(random() % 300, '\0');
      for (char& c : text) c = static_cast<char>(random());
    }
    const std::vector<ByteView> buffers(texts.begin() + 4, texts.end());
    const std::string bytes =
        encode(*Message::copy(Channel::control, {texts[0], texts[1], texts[2], texts[3]}, buffers));
    const auto decoded = decode_ws_v1(bytes);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(decoded->parts.header, texts[0]);
    EXPECT_EQ(decoded->parts.content, texts[3]);
    EXPECT_EQ(decoded->buffers, buffers);
    EXPECT_EQ(encode(*to_message(*decoded)), bytes);
  }
}

TEST(WsV1, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < kGolden.size(); ++size) {
    EXPECT_FALSE(refusal(kGolden.substr(0, size)).empty()) << size;
  }
}

TEST(WsV1, RefusesTrailingBytes) { EXPECT_THAT(refusal(kGolden + '\0'), HasSubstr("last offset")); }

TEST(WsV1, RefusesCountsThatWrap) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t count :
       {kMax, kMax - 1, kMax / 8, kMax / 8 + 1, kMax / 8 + 7, std::uint64_t{1} << 61,
        (std::uint64_t{1} << 61) + kOffsets, std::uint64_t{1} << 63, std::uint64_t{1} << 32}) {
    EXPECT_THAT(refusal(with_word(kGolden, 0, count)), HasSubstr("more offsets")) << count;
  }
}

TEST(WsV1, RefusesCountsThatDoNotFit) {
  for (std::uint64_t count = 0; count < 200; ++count) {
    if (count == kOffsets) continue;
    EXPECT_FALSE(refusal(with_word(kGolden, 0, count)).empty()) << count;
  }
  EXPECT_THAT(refusal(from_hex("0000000000000000")), HasSubstr("fewer than six"));
  EXPECT_THAT(refusal(from_hex("0100000000000000 1000000000000000")), HasSubstr("fewer than six"));
}

TEST(WsV1, RefusesEveryOffsetThatLies) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t index = 1; index <= kOffsets; ++index) {
    const auto decoded_as = [&](std::uint64_t value) {
      return decode_ws_v1(with_word(kGolden, index, value)).has_value();
    };
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x3f}, kMax, kMax - 7, kMax / 2,
          std::uint64_t{1} << 63, std::uint64_t{kGolden.size() + 1}}) {
      EXPECT_FALSE(decoded_as(value)) << index << ' ' << value;
    }
  }
  EXPECT_THAT(refusal(with_word(kGolden, 1, 0x41)), HasSubstr("first offset"));
  EXPECT_THAT(refusal(with_word(kGolden, 1, 0x38)), HasSubstr("first offset"));
  EXPECT_THAT(refusal(with_word(kGolden, 7, 0x53)), HasSubstr("last offset"));
}

TEST(WsV1, RefusesPartsThatOverlap) {
  EXPECT_THAT(refusal(with_word(kGolden, 3, 0x44)), HasSubstr("do not rise"));
  EXPECT_THAT(refusal(with_word(kGolden, 5, 0x4d)), HasSubstr("do not rise"));
  EXPECT_THAT(refusal(with_word(kGolden, 6, 0x55)), HasSubstr("do not rise"));
}

TEST(WsV1, TakesEmptyPartsAsTheyAre) {
  const std::string bytes = encode(*Message::copy(Channel::shell, {}));
  const auto decoded = decode_ws_v1(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->parts.header, "");
}

TEST(WsV1, EverySingleByteChangedIsAMessageOrARefusal) {
  for (std::size_t at = 0; at < kGolden.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string bytes = kGolden;
      bytes[at] = static_cast<char>(value);
      const auto decoded = decode_ws_v1(bytes);
      if (decoded) {
        ASSERT_EQ(encode(*to_message(*decoded)), bytes);
      }
    }
  }
}

}  // namespace
}  // namespace perijove
