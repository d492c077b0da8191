#include "protocol/ws_default.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"
#include "support/hex.hpp"

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::from_hex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// jupyter_server's serialize_binary_message for the buffers 01 02 and ff.
const std::string kGoldenJson =
    R"({"header": {"msg_id": "m", "date": null}, "parent_header": {}, "metadata": {},)"
    R"( "content": {}, "channel": "iopub"})";
const std::string kGolden =
    from_hex("00000003 00000010 00000081 00000083") + kGoldenJson + from_hex("0102 ff");

constexpr ByteView kHeader =
    R"({"msg_id":"m","msg_type":"status","username":"u","session":"s","date":null,"version":"5.3"})";

struct Encoded {
  bool binary;
  std::string text;  // head, content and tail
};
Encoded encode(const SignedParts& parts, const std::vector<ByteView>& buffers = {},
               Channel channel = Channel::iopub) {
  const MessagePtr message = Message::copy(channel, parts, buffers);
  const WsDefaultFrame frame = encode_ws_default(*message);
  Encoded encoded{frame.binary, frame.head + std::string(frame.content) + frame.tail};
  EXPECT_EQ(frame.size(), encoded.text.size());
  return encoded;
}

json encoded(const SignedParts& parts) {
  const Encoded frame = encode(parts);
  EXPECT_FALSE(frame.binary);
  auto parsed = parse_json(frame.text);
  EXPECT_TRUE(parsed) << frame.text;
  return parsed ? *std::move(parsed) : json();
}

std::string with_word(std::string bytes, std::size_t index, std::uint32_t value) {
  for (std::size_t i = 4; i-- > 0; value >>= 8) {
    bytes[index * 4 + i] = static_cast<char>(value & 0xff);
  }
  return bytes;
}

std::string text_refusal(ByteView text) {
  const auto decoded = decode_ws_default_text(text);
  EXPECT_FALSE(decoded) << text;
  if (decoded) return {};
  EXPECT_EQ(decoded.error().code, Code::invalid_argument);
  return decoded.error().message;
}

std::string binary_refusal(ByteView bytes) {
  const auto decoded = decode_ws_default_binary(bytes);
  EXPECT_FALSE(decoded);
  return decoded ? std::string() : decoded.error().message;
}

// ---- from clients ----

TEST(WsDefaultText, IsTakenApartVerbatim) {
  const auto decoded = decode_ws_default_text(
      R"({ "header": {"msg_id": "m"}, "msg_id":"m","msg_type":"t","parent_header":{ "p" : 1 },)"
      R"("metadata":{"cellId":"c"},"content":{"code":"say \"\u00e4\""},"buffers":[],)"
      R"("channel":"control"})");
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::control);
  EXPECT_EQ(decoded->parts.header, R"({"msg_id": "m"})");
  EXPECT_EQ(decoded->parts.parent_header, R"({ "p" : 1 })");
  EXPECT_EQ(decoded->parts.metadata, R"({"cellId":"c"})");
  EXPECT_EQ(decoded->parts.content, R"({"code":"say \"\u00e4\""})");
  EXPECT_THAT(decoded->buffers, IsEmpty());
}

TEST(WsDefaultText, WithoutAChannelGoesToShellAsSmolagentsMeansIt) {
  const auto decoded = decode_ws_default_text(
      R"({"header": {"msg_id": "m", "username": "anonymous", "session": "s",)"
      R"( "msg_type": "execute_request", "version": "5.0"}, "parent_header": {}, "metadata": {},)"
      R"( "content": {"code": "1", "silent": false, "store_history": true,)"
      R"( "user_expressions": {}, "allow_stdin": false}})");
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::shell);
}

TEST(WsDefaultText, MayHaveAnObjectForBuffersAsAutoGenAndOpenHandsWriteIt) {
  for (const ByteView text :
       {R"({"header": {"username": "autogen", "version": "5.0", "session": "s", "msg_id": "m",)"
        R"( "msg_type": "execute_request", "date": "2026-11-21T07:45:25.012735"},)"
        R"( "parent_header": {}, "channel": "shell", "content": {"code": "1"}, "metadata": {},)"
        R"( "buffers": {}})",
        R"({"header": {"username": "", "version": "5.0", "session": "", "msg_id": "m",)"
        R"( "msg_type": "execute_request"}, "parent_header": {}, "channel": "shell",)"
        R"( "content": {"code": "1"}, "metadata": {}, "buffers": {}})"}) {
    const auto decoded = decode_ws_default_text(text);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(decoded->parts.content, R"({"code": "1"})");
    EXPECT_THAT(decoded->buffers, IsEmpty());
  }
}

TEST(WsDefaultText, WhatIsNullOrAbsentIsEmpty) {
  for (const ByteView text :
       {R"({"header":{"msg_id":"m"}})",
        R"({"header":{"msg_id":"m"},"parent_header":null,"metadata":null,"content":null,)"
        R"("channel":null,"buffers":null})"}) {
    const auto decoded = decode_ws_default_text(text);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(decoded->channel, Channel::shell);
    EXPECT_EQ(decoded->parts.parent_header, "{}");
    EXPECT_EQ(decoded->parts.metadata, "{}");
    EXPECT_EQ(decoded->parts.content, "{}");
  }
}

TEST(WsDefaultText, MayEscapeTheChannelsName) {
  const auto decoded = decode_ws_default_text(R"({"header":{},"channel":"\u0073tdin"})");
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::stdin_);
}

TEST(WsDefaultText, RefusesUnknownChannels) {
  for (const std::string channel : {R"("hb")", R"("Shell")", R"("")", "7", "{}", "true"}) {
    const std::string message = text_refusal(R"({"header":{},"channel":)" + channel + "}");
    EXPECT_THAT(message, HasSubstr("unknown channel " + channel));
    EXPECT_THAT(message, HasSubstr("shell, control, stdin and iopub"));
  }
  EXPECT_LT(text_refusal(R"({"header":{},"channel":")" + std::string(100'000, 'x') + "\"}").size(),
            300u);
}

TEST(WsDefaultText, RefusesAMessageWithoutAHeaderObject) {
  for (const ByteView text : {"{}", R"({"content":{}})", R"({"header":null})", R"({"header":"{}"})",
                              R"({"header":[{}]})"}) {
    EXPECT_THAT(text_refusal(text), HasSubstr("no header object"));
  }
}

TEST(WsDefaultText, RefusesWhatIsNotOneObject) {
  for (const ByteView text : {"", "x", "[]", "null", R"([{"header":{}}])",
                              R"({"header":{}} )"
                              "x",
                              R"({"header":{})", R"({"header":{"a":}})", R"({"header":{"a":NaN}})",
                              "{\"header\":{\"a\":\"\xff\"}}"}) {
    EXPECT_THAT(text_refusal(text), HasSubstr("not one JSON object"));
  }
}

TEST(WsDefaultText, RefusesDeepNesting) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THAT(text_refusal(R"({"header":{},"content":{"a":)" + deep + "}}"),
              HasSubstr("not one JSON object"));
}

TEST(WsDefaultText, RefusesEveryTruncation) {
  const std::string whole = R"({"header":{"msg_id":"m"},"channel":"shell","content":{"code":"1"}})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_ws_default_text(whole.substr(0, size))) << size;
  }
}

TEST(WsDefaultBinary, DecodesWhatJupyterServerWrites) {
  ASSERT_EQ(kGolden.size(), 132u);
  const auto decoded = decode_ws_default_binary(kGolden);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::iopub);
  EXPECT_EQ(decoded->parts.header, R"({"msg_id": "m", "date": null})");
  EXPECT_THAT(decoded->buffers, ElementsAre("\x01\x02", "\xff"));
}

TEST(WsDefaultBinary, MayHaveNoBuffersAndEmptyBuffers) {
  const auto none = decode_ws_default_binary(from_hex("00000001 00000008") + R"({"header":{}})");
  ASSERT_TRUE(none) << none.error();
  EXPECT_THAT(none->buffers, IsEmpty());

  const auto empty = decode_ws_default_binary(from_hex("00000003 00000010 0000001d 0000001d") +
                                              R"({"header":{}})");
  ASSERT_TRUE(empty) << empty.error();
  EXPECT_THAT(empty->buffers, ElementsAre("", ""));
}

TEST(WsDefaultBinary, RefusesEveryTruncationOfTableAndJson) {
  for (std::size_t size = 0; size < 0x83; ++size) {
    EXPECT_FALSE(binary_refusal(kGolden.substr(0, size)).empty()) << size;
  }
  // From here on only the last buffer shrinks: it runs to the end, wherever that is.
  const std::string shorter = kGolden.substr(0, 0x83);
  const auto decoded = decode_ws_default_binary(shorter);
  ASSERT_TRUE(decoded);
  EXPECT_THAT(decoded->buffers, ElementsAre("\x01\x02", ""));
}

TEST(WsDefaultBinary, RefusesHostileCountsAndOffsets) {
  for (const std::uint32_t count :
       {0u, 2u, 4u, 32u, 33u, 0x3fffffffu, 0x40000000u, 0x40000003u, 0x7fffffffu, 0xffffffffu}) {
    EXPECT_FALSE(binary_refusal(with_word(kGolden, 0, count)).empty()) << count;
  }
  for (std::size_t index = 1; index <= 3; ++index) {
    for (const std::uint32_t offset :
         {0u, 4u, 0x0fu, 0x85u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      EXPECT_FALSE(binary_refusal(with_word(kGolden, index, offset)).empty())
          << index << ' ' << offset;
    }
  }
  EXPECT_THAT(binary_refusal(with_word(kGolden, 1, 0x11)), HasSubstr("first offset"));
  EXPECT_THAT(binary_refusal(with_word(kGolden, 3, 0x80)), HasSubstr("do not rise"));
  EXPECT_THAT(binary_refusal(""), HasSubstr("shorter"));
}

// ---- to clients ----

TEST(WsDefaultEncode, SplicesThePartsIntoOneText) {
  const Encoded frame = encode({kHeader, R"({ "p": 1 })", "{}", R"({"execution_state":"idle"})"});
  EXPECT_FALSE(frame.binary);
  EXPECT_EQ(frame.text, R"({"header":)" + std::string(kHeader) +
                            R"(,"msg_id":"m","msg_type":"status","parent_header":{ "p": 1 },)"
                            R"("metadata":{},"content":{"execution_state":"idle"},"buffers":[],)"
                            R"("channel":"iopub"})");
}

TEST(WsDefaultEncode, DoesNotCopyTheContent) {
  for (const std::string type : {"stream", "display_data"}) {
    const std::string header = R"({"msg_id":"m","msg_type":")" + type + "\"}";
    const std::string content = R"({"data":{"image/png":")" + std::string(1000, 'A') + R"("}})";
    const MessagePtr message = Message::copy(Channel::iopub, {header, "{}", "{}", content});
    const WsDefaultFrame frame = encode_ws_default(*message);
    const ByteView whole = message->parts().content;
    EXPECT_GE(frame.content.size(), 1000u);
    EXPECT_EQ(frame.content.data() + frame.content.size(), whole.data() + whole.size());
    EXPECT_LT(frame.head.size() + frame.tail.size(), 300u);
  }
}

TEST(WsDefaultEncode, NestsContentsAsDeepAsTextsOfTheirOwn) {
  for (const std::string type : {"stream", "display_data"}) {
    const auto content = [](int depth) {
      const auto inner = static_cast<std::size_t>(depth - 1);
      return R"({"a":)" + std::string(inner, '[') + std::string(inner, ']') + "}";
    };
    const std::string header = R"({"msg_id":"m","msg_type":")" + type + "\"}";
    EXPECT_THAT(encode({header, "{}", "{}", content(kJsonDepthMax)}).text, HasSubstr(R"({"a":[)"));
    EXPECT_THAT(encode({header, "{}", "{}", content(kJsonDepthMax + 1)}).text,
                HasSubstr(R"("content":{"malformed":)"));
  }
}

TEST(WsDefaultEncode, NamesTheChannel) {
  for (const Channel channel : {Channel::shell, Channel::control, Channel::stdin_}) {
    const Encoded frame = encode({kHeader, "{}", "{}", "{}"}, {}, channel);
    EXPECT_EQ((*parse_json(frame.text))["channel"], std::string(to_string(channel)));
  }
}

TEST(WsDefaultEncode, PutsBuffersBehindTheJson) {
  const Encoded frame = encode({kHeader, "{}", "{}", "{}"}, {"\x01\x02", "", "\xff"});
  ASSERT_TRUE(frame.binary);
  const std::string bytes = frame.text + "\x01\x02\xff";
  EXPECT_EQ(bytes.substr(0, 8), from_hex("00000004 00000014"));
  const auto decoded = decode_ws_default_binary(bytes);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::iopub);
  EXPECT_EQ(decoded->parts.header, kHeader);
  EXPECT_THAT(decoded->buffers, ElementsAre("\x01\x02", "", "\xff"));

  const auto text = parse_json(ByteView(frame.text).substr(20));
  ASSERT_TRUE(text) << text.error();
  EXPECT_FALSE(text->contains("buffers"));
}

TEST(WsDefaultEncode, ReadsBackWhatItWrote) {
  const SignedParts parts = {kHeader, R"({"msg_id":"p"})", R"({"m":[1,2]})",
                             "{\"t\":\"\xc3\xa4\"}"};
  const Encoded frame = encode(parts, {}, Channel::stdin_);
  const auto decoded = decode_ws_default_text(frame.text);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->channel, Channel::stdin_);
  EXPECT_EQ(decoded->parts.header, parts.header);
  EXPECT_EQ(decoded->parts.parent_header, parts.parent_header);
  EXPECT_EQ(decoded->parts.metadata, parts.metadata);
  EXPECT_EQ(decoded->parts.content, parts.content);
}

TEST(WsDefaultEncode, WrapsAPartThatIsNoJsonObject) {
  for (const std::string bad :
       {R"({"value":NaN})", R"({"value":Infinity})", R"({"cut":"te)", "", " ", "null", "[]", "1",
        R"({}{})", R"({},"channel":"shell","x":{})", "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}", "}"}) {
    const json whole = encoded({kHeader, "{}", "{}", bad});
    const std::string told = bad == "{\"a\":\"\xff\"}" ? "{\"a\":\"\xef\xbf\xbd\"}" : bad;
    EXPECT_EQ(whole["content"], (json{{"malformed", told}})) << bad;
    EXPECT_EQ(whole["channel"], "iopub") << bad;
    EXPECT_EQ(whole["header"]["msg_id"], "m") << bad;
  }
}

TEST(WsDefaultEncode, WrapsAnyOfTheFourParts) {
  const json whole = encoded({"{", "NaN", "x", "y"});
  EXPECT_EQ(whole["header"], (json{{"malformed", "{"}}));
  EXPECT_EQ(whole["msg_id"], "");
  EXPECT_EQ(whole["msg_type"], "");
  EXPECT_EQ(whole["parent_header"], (json{{"malformed", "NaN"}}));
  EXPECT_EQ(whole["metadata"], (json{{"malformed", "x"}}));
  EXPECT_EQ(whole["content"], (json{{"malformed", "y"}}));
}

TEST(WsDefaultEncode, WrapsAPartThatIsNestedTooDeep) {
  const std::string deep = R"({"a":)" + std::string(1000, '[') + std::string(1000, ']') + "}";
  EXPECT_EQ(encoded({kHeader, "{}", "{}", deep})["content"], (json{{"malformed", deep}}));
}

TEST(WsDefaultEncode, KeepsWhiteSpaceBeforeAPart) {
  EXPECT_EQ(encoded({kHeader, "{}", "{}", " \n{\"a\":1}"})["content"], (json{{"a", 1}}));
}

TEST(WsDefaultEncode, EscapesTheIdsItRepeats) {
  const json whole = encoded({R"({"msg_id":"a\"b","msg_type":"\u00e4\n"})", "{}", "{}", "{}"});
  EXPECT_EQ(whole["msg_id"], "a\"b");
  EXPECT_EQ(whole["msg_type"], "\xc3\xa4\n");
}

json content_of(const std::string& msg_type, ByteView content) {
  const std::string header = R"({"msg_id":"m","msg_type":")" + msg_type + "\"}";
  return encoded({header, "{}", "{}", content})["content"];
}

TEST(WsDefaultEncode, AddsPlainTextForOpenHands) {
  for (const char* type : {"display_data", "execute_result", "update_display_data"}) {
    EXPECT_EQ(content_of(type, R"({"data":{"image/png":"aGk="},"metadata":{}})"),
              (json{{"data", {{"text/plain", "<image/png>"}, {"image/png", "aGk="}}},
                    {"metadata", json::object()}}));
    EXPECT_EQ(content_of(type, R"( { "metadata":{}, "data" : { "text/html":"<b>","x/y":1} } )"),
              (json{{"data", {{"text/plain", "<text/html>"}, {"text/html", "<b>"}, {"x/y", 1}}},
                    {"metadata", json::object()}}));
  }
}

TEST(WsDefaultEncode, NamesATypeThatIsWrittenWithEscapes) {
  EXPECT_EQ(content_of("display_data", R"({"data":{"a\"b\\\u00e4":1}})")["data"]["text/plain"],
            "<a\"b\\\xc3\xa4>");
}

TEST(WsDefaultEncode, LeavesBundlesThatNeedNoPlainText) {
  for (const ByteView content : {R"({"data":{"text/plain":"x","image/png":"y"}})",
                                 R"({"data":{"image/png":"y","text/plain":""}})", R"({"data":{}})",
                                 R"({"data":{ }})", R"({"data":null})", R"({"data":"text"})", "{}",
                                 R"({"other":{"data":{"image/png":"y"}}})"}) {
    EXPECT_EQ(dump_json(content_of("display_data", content)), dump_json(*parse_json(content)));
  }
  EXPECT_EQ(content_of("stream", R"({"data":{"image/png":"y"}})"),
            (json{{"data", {{"image/png", "y"}}}}));
}

TEST(WsDefaultEncode, WrapsABundleThatIsMalformedBehindItsData) {
  for (const std::string bad :
       {R"({"data":{"image/png":"y"})", R"({"data":{"image/png":"y"},"a":NaN})",
        R"({"data":{"image/png":"y"}}x)", R"({"data":{"image/png":})"}) {
    EXPECT_EQ(content_of("display_data", bad), (json{{"malformed", bad}}));
  }
}

}  // namespace
}  // namespace perijove
