#include "protocol/ws_frame.hpp"

#include <gmock/gmock.h>

#include <random>
#include <string>
#include <vector>

#include "support/hex.hpp"
#include "support/ws_frames.hpp"

namespace perijove {
namespace {

using testing::client_frame;
using ::testing::ElementsAre;
using testing::from_hex;

constexpr std::size_t kMessageBytesMax = 1 << 20;
constexpr bool kFinal = true;
constexpr bool kMore = false;
using testing::kBinary;
using testing::kClose;
using testing::kContinuation;
using testing::kPing;
using testing::kPong;
using testing::kText;

std::string describe(const WsEvent& event) {
  struct Describe {
    std::string operator()(const WsMessage& message) const {
      return (message.binary ? "binary:" : "text:") + message.payload;
    }
    std::string operator()(const WsPing& ping) const { return "ping:" + ping.payload; }
    std::string operator()(const WsPong& pong) const { return "pong:" + pong.payload; }
    std::string operator()(const WsCloseReceived& close) const {
      return "close:" + std::to_string(close.code) + ":" + close.reason;
    }
    std::string operator()(const WsFault& fault) const {
      return "fault:" + std::to_string(static_cast<int>(fault.code)) + ":" + fault.reason;
    }
  };
  return std::visit(Describe{}, event);
}

// The events of `bytes`, handed over in pieces of the sizes that `next_size` tells.
template <typename NextSize>
std::vector<std::string> read_in_pieces(WsReader& reader, ByteView bytes, NextSize next_size) {
  std::vector<std::string> events;
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(next_size(), bytes.size());
    const std::vector<char> piece(bytes.begin(), bytes.begin() + size);  // to see reads beyond it
    ByteView rest(piece.data(), piece.size());
    bytes.remove_prefix(size);
    while (!rest.empty()) {
      if (const auto event = reader.read(rest)) events.push_back(describe(*event));
    }
  }
  return events;
}

std::vector<std::string> read_all(ByteView bytes, std::size_t limit = kMessageBytesMax) {
  WsReader reader(limit);
  return read_in_pieces(reader, bytes, [&] { return bytes.size(); });
}

TEST(WsReader, ReadsTheExamplesOfTheRfc) {
  // Section 5.7.
  EXPECT_THAT(read_all(from_hex("81 85 37fa213d 7f9f4d5158")), ElementsAre("text:Hello"));
  EXPECT_THAT(read_all(from_hex("89 85 37fa213d 7f9f4d5158")), ElementsAre("ping:Hello"));
  EXPECT_THAT(read_all(from_hex("8a 85 37fa213d 7f9f4d5158")), ElementsAre("pong:Hello"));
}

TEST(WsReader, ReadsMessagesOfEveryLengthForm) {
  for (const std::size_t size : {0u, 1u, 7u, 8u, 9u, 125u, 126u, 127u, 65'535u, 65'536u, 65'537u}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 7);
    EXPECT_THAT(read_all(client_frame(kBinary, payload)), ElementsAre("binary:" + payload)) << size;
    EXPECT_THAT(read_all(client_frame(kText, payload)), ElementsAre("text:" + payload)) << size;
  }
}

TEST(WsReader, TakesALengthInALongerFormThanItNeeds) {
  EXPECT_THAT(read_all(from_hex("81 fe 0002 00000000") + "ab"), ElementsAre("text:ab"));
  EXPECT_THAT(read_all(from_hex("81 ff 0000000000000002 00000000") + "ab"), ElementsAre("text:ab"));
}

TEST(WsReader, JoinsFragments) {
  EXPECT_THAT(read_all(client_frame(kText, "a", kMore) + client_frame(kContinuation, "b", kMore) +
                       client_frame(kContinuation, "", kMore) + client_frame(kContinuation, "c")),
              ElementsAre("text:abc"));
  EXPECT_THAT(read_all(client_frame(kBinary, "", kMore) + client_frame(kContinuation, "")),
              ElementsAre("binary:"));
}

TEST(WsReader, UnmasksEachFragmentWithItsOwnMask) {
  EXPECT_THAT(read_all(client_frame(kBinary, "abcde", kMore, "1234") +
                       client_frame(kContinuation, "fghijklmnopq", kMore, "\x01\x02\x03\x04") +
                       client_frame(kContinuation, "rs", kFinal, std::string(4, '\0'))),
              ElementsAre("binary:abcdefghijklmnopqrs"));
}

TEST(WsReader, ControlFramesMayStandBetweenFragments) {
  EXPECT_THAT(read_all(client_frame(kText, "a", kMore) + client_frame(kPing, "p") +
                       client_frame(kContinuation, "b", kMore) + client_frame(kPong, "q") +
                       client_frame(kPing, "") + client_frame(kContinuation, "c")),
              ElementsAre("ping:p", "pong:q", "ping:", "text:abc"));
  EXPECT_THAT(read_all(client_frame(kText, "a", kMore) + client_frame(kClose, "\x03\xe8")),
              ElementsAre("close:1000:"));
}

TEST(WsReader, ReadsMessageAfterMessage) {
  EXPECT_THAT(
      read_all(client_frame(kText, "a") + client_frame(kBinary, "b") + client_frame(kText, "c")),
      ElementsAre("text:a", "binary:b", "text:c"));
}

TEST(WsReader, StopsBehindEachEvent) {
  WsReader reader(kMessageBytesMax);
  const std::string bytes = client_frame(kText, "a") + client_frame(kText, "b");
  ByteView rest = bytes;
  EXPECT_EQ(describe(reader.read(rest).value()), "text:a");
  EXPECT_EQ(rest.size(), bytes.size() / 2);
  EXPECT_EQ(describe(reader.read(rest).value()), "text:b");
  EXPECT_TRUE(rest.empty());
}

TEST(WsReader, EventsDoNotDependOnThePieces) {
  const std::string bytes =
      client_frame(kText, "first") + client_frame(kBinary, std::string(300, 'x'), kMore) +
      client_frame(kPing, "between") + client_frame(kContinuation, "", kMore) +
      client_frame(kContinuation, std::string(70'000, 'y')) + client_frame(kPong, "") +
      client_frame(kText, "") + client_frame(kClose, "\x03\xe9gone");
  const std::vector<std::string> expected = read_all(bytes);
  ASSERT_EQ(expected.size(), 6u);

  WsReader byte_by_byte(kMessageBytesMax);
  EXPECT_EQ(read_in_pieces(byte_by_byte, bytes, [] { return 1; }), expected);
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    WsReader reader(kMessageBytesMax);
    const std::size_t size_max = 1 + random() % 3000;
    EXPECT_EQ(read_in_pieces(reader, bytes, [&] { return 1 + random() % size_max; }), expected)
        << "seed " << seed;
  }
}

TEST(WsReader, ReadsCloseCodesAndReasons) {
  EXPECT_THAT(read_all(client_frame(kClose, "")), ElementsAre("close:1005:"));
  EXPECT_THAT(read_all(client_frame(kClose, "\x03\xe8")), ElementsAre("close:1000:"));
  EXPECT_THAT(read_all(client_frame(kClose, "\x0f\xa0see you")), ElementsAre("close:4000:see you"));
  EXPECT_THAT(read_all(client_frame(kClose, "\x03")),
              ElementsAre("fault:1002:a close code has two bytes"));
}

TEST(WsReader, ReadsNothingBehindACloseOrAFault) {
  EXPECT_THAT(read_all(client_frame(kClose, "") + client_frame(kText, "late")),
              ElementsAre("close:1005:"));
  EXPECT_THAT(read_all(client_frame(kContinuation, "x") + client_frame(kText, "late")),
              ElementsAre("fault:1002:nothing to continue"));
  WsReader reader(kMessageBytesMax);
  const std::string close = client_frame(kClose, "");
  ByteView rest = close;
  EXPECT_TRUE(reader.read(rest));
  for (const std::string& more : {client_frame(kText, "late"), std::string("junk")}) {
    rest = more;
    EXPECT_FALSE(reader.read(rest));
    EXPECT_TRUE(rest.empty());
  }
}

TEST(WsReader, RefusesUnmaskedFrames) {
  EXPECT_THAT(read_all(from_hex("8105") + "Hello"),
              ElementsAre("fault:1002:a client's frame must be masked"));
  EXPECT_THAT(read_all(from_hex("8800")),
              ElementsAre("fault:1002:a client's frame must be masked"));
}

TEST(WsReader, RefusesReservedBitsAndOpcodes) {
  for (const int bits : {0x40, 0x20, 0x10, 0x70}) {
    EXPECT_THAT(read_all(client_frame(kText | bits, "x")),
                ElementsAre("fault:1002:reserved bits are set"));
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    EXPECT_THAT(read_all(client_frame(opcode, "x")), ElementsAre("fault:1002:unknown opcode"))
        << opcode;
  }
}

TEST(WsReader, RefusesFragmentsOutOfOrder) {
  EXPECT_THAT(read_all(client_frame(kContinuation, "x")),
              ElementsAre("fault:1002:nothing to continue"));
  EXPECT_THAT(read_all(client_frame(kText, "x") + client_frame(kContinuation, "y")),
              ElementsAre("text:x", "fault:1002:nothing to continue"));
  EXPECT_THAT(read_all(client_frame(kText, "x", kMore) + client_frame(kText, "y")),
              ElementsAre("fault:1002:a message began inside another"));
  EXPECT_THAT(read_all(client_frame(kText, "x", kMore) + client_frame(kBinary, "y", kMore)),
              ElementsAre("fault:1002:a message began inside another"));
}

TEST(WsReader, RefusesControlFramesThatAreLongOrFragmented) {
  const std::string fits(125, 'x');
  for (const int opcode : {kPing, kPong}) {
    EXPECT_EQ(read_all(client_frame(opcode, fits)).front().substr(5), fits);
  }
  for (const int opcode : {kClose, kPing, kPong}) {
    EXPECT_THAT(read_all(client_frame(opcode, fits + "x")),
                ElementsAre("fault:1002:a control frame is too long"));
    EXPECT_THAT(read_all(client_frame(opcode, "x", kMore)),
                ElementsAre("fault:1002:a control frame is fragmented"));
  }
}

TEST(WsReader, TakesMessagesUpToTheLimitAndNoLonger) {
  const std::string fits(1000, 'x');
  const std::string fault = "fault:1009:message is larger than the limit of 1000 bytes";
  EXPECT_THAT(read_all(client_frame(kText, fits), 1000), ElementsAre("text:" + fits));
  EXPECT_THAT(read_all(client_frame(kText, fits + "x"), 1000), ElementsAre(fault));
  EXPECT_THAT(read_all(client_frame(kText, fits, kMore) + client_frame(kContinuation, ""), 1000),
              ElementsAre("text:" + fits));
  EXPECT_THAT(read_all(client_frame(kText, fits, kMore) + client_frame(kContinuation, "x"), 1000),
              ElementsAre(fault));
  EXPECT_THAT(read_all(client_frame(kText, "x", kMore) + client_frame(kContinuation, fits), 1000),
              ElementsAre(fault));
  // The limit is each message's own.
  EXPECT_THAT(read_all(client_frame(kText, fits) + client_frame(kText, fits), 1000),
              ElementsAre("text:" + fits, "text:" + fits));
}

TEST(WsReader, RefusesALyingLengthBeforeItsPayload) {
  for (const char* length : {"ffffffffffffffff", "8000000000000000", "7fffffffffffffff",
                             "0000000100000000", "0000000000100001"}) {
    const auto events = read_all(from_hex("82ff" + std::string(length) + "00000000"));
    ASSERT_EQ(events.size(), 1u) << length;
    EXPECT_THAT(events[0], ::testing::StartsWith("fault:1009:")) << length;
  }
  // Behind a fragment, the sum must not wrap.
  const auto events =
      read_all(client_frame(kBinary, "abc", kMore) + from_hex("80ff fffffffffffffffd 00000000"));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0], ::testing::StartsWith("fault:1009:"));
}

TEST(WsReader, ALimitOfZeroTakesEmptyMessagesOnly) {
  EXPECT_THAT(read_all(client_frame(kText, ""), 0), ElementsAre("text:"));
  EXPECT_EQ(read_all(client_frame(kText, "x"), 0).front().substr(0, 11), "fault:1009:");
}

TEST(WsReader, IsQuietInTheMiddleOfAFrame) {
  const std::string whole = client_frame(kBinary, std::string(200, 'x'));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WsReader reader(kMessageBytesMax);
    ByteView rest = ByteView(whole).substr(0, size);
    EXPECT_FALSE(reader.read(rest)) << size;
    EXPECT_TRUE(rest.empty());
  }
}

std::string header(WsOpcode opcode, std::uint64_t size) {
  std::string out = "kept";
  append_ws_header(out, opcode, size);
  EXPECT_EQ(out.substr(0, 4), "kept");
  return out.substr(4);
}

TEST(WsWriter, WritesTheShortestHeader) {
  EXPECT_EQ(header(WsOpcode::text, 0), from_hex("8100"));
  EXPECT_EQ(header(WsOpcode::binary, 125), from_hex("827d"));
  EXPECT_EQ(header(WsOpcode::binary, 126), from_hex("827e 007e"));
  EXPECT_EQ(header(WsOpcode::binary, 256), from_hex("827e 0100"));  // of the RFC
  EXPECT_EQ(header(WsOpcode::binary, 65'535), from_hex("827e ffff"));
  EXPECT_EQ(header(WsOpcode::binary, 65'536), from_hex("827f 0000000000010000"));  // of the RFC
  EXPECT_EQ(header(WsOpcode::binary, 0x123456789abcdef0), from_hex("827f 123456789abcdef0"));
  EXPECT_EQ(header(WsOpcode::pong, 5), from_hex("8a05"));
}

TEST(WsWriter, WritesCloseFrames) {
  EXPECT_EQ(ws_close_frame(WsClose::normal, ""), from_hex("8802 03e8"));
  EXPECT_EQ(ws_close_frame(WsClose::service_restart, "bye"), from_hex("8805 03f4") + "bye");
}

TEST(WsWriter, CutsACloseReasonBetweenCharacters) {
  const std::string fits(123, 'x');
  EXPECT_EQ(ws_close_frame(WsClose::normal, fits).substr(4), fits);
  EXPECT_EQ(ws_close_frame(WsClose::normal, fits + "y").substr(4), fits);

  const std::string kEuro = "\xe2\x82\xac";
  for (std::size_t before = 118; before <= 123; ++before) {
    const std::string reason = std::string(before, 'x') + kEuro + kEuro;
    const std::string close = ws_close_frame(WsClose::normal, reason);
    ASSERT_LE(close.size(), 127u);
    EXPECT_EQ(static_cast<std::size_t>(close[1]), close.size() - 2);
    const std::size_t euros = (123 - before) / 3;
    EXPECT_EQ(close.substr(4), reason.substr(0, before + euros * 3)) << before;
  }
}

TEST(WsWriter, MakesACloseReasonValidUtf8) {
  EXPECT_EQ(ws_close_frame(WsClose::normal, "it said \xff\xfe").substr(4),
            "it said \xef\xbf\xbd\xef\xbf\xbd");
}

TEST(WsHandshake, AnswersTheExampleOfTheRfc) {
  EXPECT_EQ(ws_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace perijove
