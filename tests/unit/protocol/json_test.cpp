#include "protocol/json.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string nested(std::size_t levels, char open = '[', char close = ']') {
  return std::string(levels, open) + std::string(levels, close);
}

std::string refusal(ByteView text) {
  const auto parsed = parse_json(text);
  EXPECT_FALSE(parsed);
  if (parsed) return {};
  EXPECT_EQ(parsed.error().code, Code::invalid_argument);
  return parsed.error().message;
}

TEST(Json, ParsesEveryKindOfValue) {
  EXPECT_EQ(*parse_json("null"), json());
  EXPECT_EQ(*parse_json(" true\n"), json(true));
  EXPECT_EQ(*parse_json("-12.5e1"), json(-125.0));
  EXPECT_EQ(*parse_json("18446744073709551615"), json(std::uint64_t{18446744073709551615u}));
  EXPECT_EQ(*parse_json(R"("\u00e4\ud83d\ude00")"), json("\xc3\xa4\xf0\x9f\x98\x80"));
  EXPECT_EQ(*parse_json(R"({"a":[1,{"b":null}]})"), (json{{"a", {1, {{"b", nullptr}}}}}));
}

TEST(Json, OfARepeatedKeyTheLastCounts) {
  EXPECT_EQ(*parse_json(R"({"a":1,"a":2})"), (json{{"a", 2}}));
}

TEST(Json, TakesNestingUpToTheLimit) {
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax)));
  std::string objects = "1";
  for (int i = 0; i < kJsonDepthMax; ++i) objects = R"({"a":)" + objects + "}";
  EXPECT_TRUE(parse_json(objects));
}

TEST(Json, RefusesDeeperNesting) {
  for (const std::size_t levels : {129u, 130u, 1'000u, 1'000'000u}) {
    EXPECT_EQ(refusal(nested(levels)), "JSON nested deeper than 128 levels") << levels;
  }
  std::string objects = "1";
  for (int i = 0; i <= kJsonDepthMax; ++i) objects = R"({"a":)" + objects + "}";
  EXPECT_EQ(refusal(objects), "JSON nested deeper than 128 levels");
}

TEST(Json, RefusesDeepNestingThatNeverEnds) {
  EXPECT_THAT(refusal(std::string(1'000'000, '[')), HasSubstr("unexpected end of input"));
  EXPECT_THAT(refusal(std::string(1'000'000, '{')), HasSubstr("column 2"));
}

TEST(Json, SaysWhereItWentWrong) {
  EXPECT_THAT(refusal("{\n  \"a\": 1,\n}"), AllOf(HasSubstr("line 3"), HasSubstr("column 1")));
  EXPECT_THAT(refusal(""), HasSubstr("unexpected end of input"));
  EXPECT_THAT(refusal("[1,2"), HasSubstr("unexpected end of input"));
}

TEST(Json, NeverQuotesWhatItRefuses) {
  EXPECT_THAT(refusal("{\"key\":\"secret\x01\"}"), Not(HasSubstr("secret")));
  EXPECT_THAT(refusal("{\"key\":\"secret\xff\"}"), Not(HasSubstr("secret")));
  EXPECT_THAT(refusal("{\"key\":\"secret"), Not(HasSubstr("secret")));
  EXPECT_THAT(refusal("[" + std::string(1000, '9') + "e999,secret]"),
              AllOf(Not(HasSubstr("99")), Not(HasSubstr("secret"))));
  EXPECT_LT(refusal("\"" + std::string(1'000'000, 'x') + "\xff\"").size(), 300u);
}

TEST(Json, RefusesWhatIsNotExactlyOneValue) {
  for (const ByteView text : {" ", "1 2", "{} {}", "[],", "nul", "NaN", "-Infinity", "'a'", "01",
                              "1.", "+1", "[1,]", "// comment\n1", "{\"a\":1}x"}) {
    EXPECT_FALSE(refusal(text).empty()) << text;
  }
}

TEST(Json, RefusesInvalidUtf8) {
  EXPECT_THAT(refusal("\"\xc3(\""), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("\"\xed\xa0\x80\""), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("{\"\xff\":1}"), HasSubstr("UTF-8"));
}

// nlohmann's parser takes both.
TEST(Json, RefusesAByteOrderMarkAndANulByte) {
  EXPECT_THAT(refusal("\xef\xbb\xbf{}"), HasSubstr("byte order mark"));
  EXPECT_THAT(refusal(ByteView("1\0x", 3)), HasSubstr("NUL"));
  EXPECT_THAT(refusal(ByteView("1\0", 2)), HasSubstr("NUL"));
}

TEST(Json, RefusesNumbersOutOfRange) {
  EXPECT_EQ(refusal("1e999"), "number overflow");
  EXPECT_EQ(refusal("[-1e400]"), "number overflow");
  EXPECT_EQ(*parse_json("1e-999"), json(0.0));
}

TEST(Json, RefusesHalfOfASurrogatePair) {
  for (const ByteView half :
       {R"("\ud800")", R"("\udc00")", R"("\ud800\u0041")", R"(["\uDBFFx"])"}) {
    EXPECT_THAT(refusal(half), HasSubstr("surrogate")) << half;
  }
}

TEST(Json, DumpsWithoutWhiteSpace) {
  EXPECT_EQ(dump_json({{"a", {1, "\xc3\xa4"}}, {"b", nullptr}}),
            "{\"a\":[1,\"\xc3\xa4\"],\"b\":null}");
}

TEST(Json, DumpsPrettyWithTheIndentAsked) {
  EXPECT_EQ(dump_json_pretty({{"a", {1}}}), "{\n \"a\": [\n  1\n ]\n}");
  EXPECT_EQ(dump_json_pretty({{"a", 1}}, 2), "{\n  \"a\": 1\n}");
}

TEST(Json, DumpsBytesThatAreNotUtf8AsReplacements) {
  EXPECT_EQ(dump_json("a\xff"), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(dump_json_pretty(json::array({"\xc3"})), "[\n \"\xef\xbf\xbd\"\n]");
}

}  // namespace
}  // namespace perijove
