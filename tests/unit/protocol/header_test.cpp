#include "protocol/header.hpp"

#include <gmock/gmock.h>

#include <string>

namespace perijove {
namespace {

TEST(Header, ReadsTheIds) {
  const auto ids = peek_header(
      R"({"msg_id": "m-1", "msg_type": "execute_request", "username": "u", "session": "s-1",)"
      R"( "date": "2026-11-21T07:45:25.012735Z", "version": "5.3"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "m-1");
  EXPECT_EQ(ids->msg_type, "execute_request");
  EXPECT_EQ(ids->session, "s-1");
}

TEST(Header, ViewsTheTextItWasGiven) {
  const std::string text = R"({"msg_id":"a","msg_type":"b","session":"c"})";
  const auto ids = peek_header(text);
  ASSERT_TRUE(ids);
  for (const ByteView id : {ids->msg_id, ids->msg_type, ids->session}) {
    EXPECT_GE(id.data(), text.data());
    EXPECT_LT(id.data(), text.data() + text.size());
  }
}

TEST(Header, OfAMessageThatAnswersNothingIsEmpty) {
  const auto ids = peek_header("{}");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "");
  EXPECT_EQ(ids->msg_type, "");
  EXPECT_EQ(ids->session, "");
}

TEST(Header, MayHaveNoDateAsSmolagentsWritesIt) {
  const auto ids = peek_header(
      R"({"msg_id": "m", "username": "anonymous", "session": "s", "msg_type": "execute_request",)"
      R"( "version": "5.0"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "m");
}

TEST(Header, MayHaveAnEmptySessionAsOpenHandsWritesIt) {
  const auto ids = peek_header(R"({"username": "", "version": "5.0", "session": "", "msg_id": "m",)"
                               R"( "msg_type": "execute_request"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->session, "");
  EXPECT_EQ(ids->msg_type, "execute_request");
}

TEST(Header, MayHaveASubshellIdAndAnythingElse) {
  const auto ids = peek_header(
      R"({"msg_id":"m","subshell_id":null,"x":{"msg_id":"inner","y":[{"session":"inner"}]},)"
      R"("msg_type":"t"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "m");
  EXPECT_EQ(ids->msg_type, "t");
  EXPECT_EQ(ids->session, "");
}

TEST(Header, AFieldThatIsNoStringCountsAsAbsent) {
  for (const std::string odd : {"null", "7", "true", "[\"m\"]", "{\"msg_id\":\"m\"}"}) {
    const std::string header = R"({"msg_id":)" + odd + R"(,"msg_type":"t"})";
    const auto ids = peek_header(header);
    ASSERT_TRUE(ids) << odd;
    EXPECT_EQ(ids->msg_id, "") << odd;
    EXPECT_EQ(ids->msg_type, "t") << odd;
  }
}

TEST(Header, ResolvesEscapesInIds) {
  const auto ids =
      peek_header(R"({"msg_id":"a\"b\\c","msg_type":"\u0065xecute\n","session":"\ud83d\ude00"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "a\"b\\c");
  EXPECT_EQ(ids->msg_type, "execute\n");
  EXPECT_EQ(ids->session, "\xf0\x9f\x98\x80");
}

TEST(Header, DecodedIdsStayValidWhenMoved) {
  auto ids = peek_header(R"({"msg_id":"\t1","msg_type":"\t2","session":"\t3"})");
  ASSERT_TRUE(ids);
  const HeaderIds moved = *std::move(ids);
  ids.reset();
  EXPECT_EQ(moved.msg_id, "\t1");
  EXPECT_EQ(moved.msg_type, "\t2");
  EXPECT_EQ(moved.session, "\t3");
}

TEST(Header, OfARepeatedKeyTheLastCountsAsForPython) {
  std::string many = "{";
  for (int i = 0; i < 100; ++i) {
    many += R"("msg_id":"\u0061)" + std::to_string(i) + R"(","session":"\n",)";
  }
  many += R"("msg_type":"t","msg_id":"last"})";
  const auto ids = peek_header(many);
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "last");
  EXPECT_EQ(ids->session, "\n");
  EXPECT_EQ(ids->msg_type, "t");

  const auto ends_odd = peek_header(R"({"msg_id":"m","msg_id":null})");
  ASSERT_TRUE(ends_odd);
  EXPECT_EQ(ends_odd->msg_id, "");
}

TEST(Header, KeysAreExact) {
  const auto ids = peek_header(R"({"Msg_id":"a","msg_id ":"b","msg_i":"c","msg_idx":"d"})");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->msg_id, "");
}

TEST(Header, RefusesWhatIsNotOneObject) {
  for (const ByteView text :
       {"", " ", "null", "[]", "\"msg_id\"", "{", "}", R"({"msg_id":"m")", R"({"msg_id":"m"}})",
        R"({"msg_id":"m"} {})", R"({"msg_id":})", R"({"msg_id" "m"})", R"({"msg_id":"m",})",
        R"({msg_id:"m"})", R"({"msg_id":NaN})", "{\"msg_id\":\"\xff\"}", R"({"msg_id":"\x"})"}) {
    EXPECT_FALSE(peek_header(text)) << text;
  }
}

TEST(Header, RefusesEveryTruncation) {
  const std::string whole = R"({"msg_id":"\u00e4","msg_type":"t","session":"s","n":[1,{"a":2}]})";
  ASSERT_TRUE(peek_header(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(peek_header(whole.substr(0, size))) << size;
  }
}

TEST(Header, RefusesDeepNesting) {
  const std::string deep =
      R"({"msg_id":"m","x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_FALSE(peek_header(deep));
}

}  // namespace
}  // namespace perijove
