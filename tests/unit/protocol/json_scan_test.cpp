#include "protocol/json_scan.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "protocol/json.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(JsonScan, TakesEveryValueOfTheGrammar) {
  for (const ByteView text : {"null",
                              "true",
                              "false",
                              "0",
                              "-0",
                              "10",
                              "-1",
                              "1.5",
                              "0.0",
                              "1e1",
                              "1E+1",
                              "1.25e-10",
                              "1e999",
                              "\"\"",
                              "\"a\"",
                              R"("\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00")",
                              R"("\ud800")",
                              "\"\x7f\"",
                              "[]",
                              "[ ]",
                              "[1,2]",
                              "[[],{}]",
                              "{}",
                              "{ }",
                              R"({"a":1})",
                              R"({ "a" : 1 , "b" : [ ] })",
                              " \t\r\n1 \t\r\n",
                              R"({"":{"":{"":[]}}})",
                              R"({"a":1,"a":2})",
                              "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80"
                              "\x80\xf4\x8f\xbf\xbf\""}) {
    EXPECT_TRUE(is_json_value(text)) << text;
  }
}

TEST(JsonScan, RefusesEverythingElse) {
  for (const ByteView text : {"",
                              " ",
                              "nul",
                              "nulL",
                              "True",
                              "truefalse",
                              "NaN",
                              "Infinity",
                              "-",
                              "+1",
                              ".5",
                              "1.",
                              "01",
                              "-01",
                              "00",
                              "1e",
                              "1e+",
                              "1.e1",
                              "0x10",
                              "1_000",
                              "--1",
                              "\"",
                              "\"a",
                              "'a'",
                              "a",
                              "[",
                              "]",
                              "[1",
                              "[1,",
                              "[,",
                              "[,1]",
                              "[1,]",
                              "[1 2]",
                              "[1}",
                              "{",
                              "}",
                              "{]",
                              "{1:2}",
                              "{a:1}",
                              R"({"a"})",
                              R"({"a":})",
                              R"({"a":1,})",
                              R"({,})",
                              R"({"a" 1})",
                              R"({"a":1 "b":2})",
                              R"({"a":1]})",
                              "1 1",
                              "[] []",
                              "{}{}",
                              ",",
                              ":",
                              R"("\x")",
                              R"("\u")",
                              R"("\u12")",
                              R"("\u123g")",
                              R"("\u123)",
                              R"("\)",
                              "\"\n\"",
                              "\"\x1f\"",
                              "\"\\\x01\"",
                              "/**/1",
                              "1//",
                              "\x0b"
                              "1",
                              "\xc2\xa0"
                              "1",
                              "\xef\xbb\xbf{}"}) {
    EXPECT_FALSE(is_json_value(text)) << text;
  }
  EXPECT_FALSE(is_json_value(ByteView("\"a\0b\"", 5)));
  EXPECT_FALSE(is_json_value(ByteView("\"\\\0\"", 4)));
  EXPECT_FALSE(is_json_value(ByteView("1\0", 2)));
  EXPECT_FALSE(is_json_value(ByteView("\0", 1)));
}

TEST(JsonScan, RefusesInvalidUtf8WhereverItStands) {
  for (const std::string bad :
       {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2(", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xfe", "\xff"}) {
    for (std::size_t before = 0; before < 10; ++before) {
      const std::string text = std::string(before, 'x') + bad;
      EXPECT_FALSE(is_json_value('"' + text + '"'));
      EXPECT_FALSE(is_json_value('"' + text + "        \""));
      EXPECT_FALSE(is_json_value("{\"" + text + "\":1}"));
    }
  }
}

// The scan takes eight plain characters at a time: whatever it must see may stand anywhere in them.
TEST(JsonScan, SeesSpecialCharactersAtEveryPlace) {
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      for (const char special : {'\x01', '\x1f', '\n', '\0', '"', '\\', '\x80', '\xff'}) {
        text[at] = special;  // \a is no escape
        EXPECT_FALSE(is_json_value('"' + text + '"')) << size << ' ' << at;
      }
      for (const char plain : {' ', '!', '#', '[', ']', '\x7f', '\x20'}) {
        text[at] = plain;
        EXPECT_TRUE(is_json_value('"' + text + '"')) << size << ' ' << at;
      }
    }
  }
}

TEST(JsonScan, RefusesEveryTruncationAndEveryTail) {
  const std::string whole =
      R"({"a":[1,-2.5e3,true,false,null,"text \u00e4 \\"],"b":{"c":[[]],"d":{}},"e":"\"}"})";
  ASSERT_TRUE(is_json_value(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(is_json_value(whole.substr(0, size))) << size;
  }
  for (const char* tail : {"}", "]", ",", "1", "\"", "x", "{}"}) {
    EXPECT_FALSE(is_json_value(whole + tail)) << tail;
  }
}

TEST(JsonScan, NestsAsDeepAsTheLimitAndNoDeeper) {
  for (const bool objects : {false, true}) {
    const auto nested = [&](int levels) {
      std::string text;
      for (int i = 1; i < levels; ++i) text += objects ? R"({"k":)" : "[";
      text += objects ? "{}" : "[]";
      return text + std::string(static_cast<std::size_t>(levels - 1), objects ? '}' : ']');
    };
    EXPECT_TRUE(is_json_value(nested(kJsonDepthMax)));
    EXPECT_FALSE(is_json_value(nested(kJsonDepthMax + 1)));
    EXPECT_FALSE(is_json_value(nested(1'000'000)));
  }
  // Breadth is not depth.
  std::string wide = "[";
  for (int i = 0; i < 1000; ++i) wide += "[[]],";
  EXPECT_TRUE(is_json_value(wide + "0]"));
}

TEST(JsonScan, NeverReadsBeyondTheText) {
  // Each prefix in a block of its own, so that AddressSanitizer sees a byte too far.
  const std::string whole = "{\"k\\u00e4\":[\"\xf0\x9f\x98\x80\",-1.5e+7,true,null]}";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    for (std::size_t from = 0; from < size; ++from) {
      const std::vector<char> block(whole.begin() + static_cast<std::ptrdiff_t>(from),
                                    whole.begin() + static_cast<std::ptrdiff_t>(size));
      const ByteView text(block.data(), block.size());
      const bool accepted = is_json_value(text);
      EXPECT_EQ(accepted, nlohmann::json::accept(text)) << text;
      (void)json_string(text);
      JsonMembers members(text);
      while (members.next()) {
      }
      EXPECT_TRUE(!members.complete() || accepted);
    }
  }
}

// Random texts of JSON's own characters: what nlohmann's parser says is what the scan says.
TEST(JsonScan, AgreesWithNlohmann) {
  const std::vector<std::string> pieces = {
      "{",    "}",     "[",    "]",    ",",  ":",  "\"",     "a",        "\\",
      "u",    "00e4",  "1",    "-",    ".",  "e",  "0",      " ",        "\n",
      "true", "false", "null", "\"\"", "{}", "[]", "\"k\":", "\xc3\xa4", "\xff"};
  constexpr unsigned kSeed = 20261121;
  std::mt19937 random(kSeed);
  int valid = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text;
    for (std::size_t count = 1 + random() % 8; count > 0; --count) {
      text += pieces[random() % pieces.size()];
    }
    const bool accepted = is_json_value(text);
    ASSERT_EQ(accepted, nlohmann::json::accept(text)) << text;
    valid += accepted ? 1 : 0;
  }
  EXPECT_GT(valid, 1000);
}

std::vector<std::pair<std::string, std::string>> walk(ByteView text, bool* complete = nullptr) {
  std::vector<std::pair<std::string, std::string>> found;
  JsonMembers members(text);
  while (const auto member = members.next()) found.emplace_back(member->key, member->value);
  EXPECT_FALSE(members.next());  // the end stays the end
  if (complete != nullptr) *complete = members.complete();
  return found;
}

TEST(JsonMembers, WalksInOrderWithRawValues) {
  bool complete = false;
  const auto found = walk(R"( { "a" : 1 , "b":{"x":[2, 3]}  ,"c":"t\n", "a":null } )", &complete);
  EXPECT_TRUE(complete);
  EXPECT_THAT(found, ElementsAre(std::pair("a", "1"), std::pair("b", R"({"x":[2, 3]})"),
                                 std::pair("c", R"("t\n")"), std::pair("a", "null")));
}

TEST(JsonMembers, LeavesEscapesInKeys) {
  EXPECT_THAT(walk(R"({"k\u0065y":1})"), ElementsAre(std::pair(R"(k\u0065y)", "1")));
}

TEST(JsonMembers, OfAnEmptyObjectAreNone) {
  for (const ByteView text : {"{}", " { } "}) {
    bool complete = false;
    EXPECT_THAT(walk(text, &complete), IsEmpty());
    EXPECT_TRUE(complete);
  }
}

TEST(JsonMembers, StopAtTheFirstFault) {
  bool complete = true;
  EXPECT_THAT(walk(R"({"a":1,"b":nul,"c":3})", &complete), ElementsAre(std::pair("a", "1")));
  EXPECT_FALSE(complete);
  EXPECT_THAT(walk(R"({"a":1,})", &complete), ElementsAre(std::pair("a", "1")));
  EXPECT_FALSE(complete);
}

TEST(JsonMembers, AreCompleteOnlyForOneObjectAndNothingElse) {
  for (const ByteView text : {"", "[]", "1", "\"{}\"", "{", R"({"a":1)", R"({"a":1}})", "{} {}",
                              R"({,"a":1})", R"({"a":1,,"b":2})", R"({"a":1 "b":2})", "{\"a\"}"}) {
    bool complete = true;
    (void)walk(text, &complete);
    EXPECT_FALSE(complete) << text;
  }
}

TEST(JsonMembers, BoundTheDepthOfEachValue) {
  const auto member = [](int levels) {
    const auto count = static_cast<std::size_t>(levels);
    return R"({"a":)" + std::string(count, '[') + std::string(count, ']') + "}";
  };
  bool complete = false;
  (void)walk(member(kJsonDepthMax), &complete);
  EXPECT_TRUE(complete);
  (void)walk(member(kJsonDepthMax + 1), &complete);
  EXPECT_FALSE(complete);
}

TEST(JsonString, ResolvesEscapes) {
  const std::pair<ByteView, ByteView> rows[] = {
      {R"("")", ""},
      {R"("plain")", "plain"},
      {R"("\"\\\/")", "\"\\/"},
      {R"("\b\f\n\r\t")", "\b\f\n\r\t"},
      {R"("\u0041\u00e4\u20AC")", "A\xc3\xa4\xe2\x82\xac"},
      {R"("\ud83d\ude00")", "\xf0\x9f\x98\x80"},
      {R"("\uDBFF\uDFFF")", "\xf4\x8f\xbf\xbf"},
      {"\"\xc3\xa4\"", "\xc3\xa4"},
      {R"("\\u0041")", "\\u0041"},
      {R"("\u0000")", ByteView("\0", 1)},
  };
  for (const auto& [raw, text] : rows) EXPECT_EQ(json_string(raw), text) << raw;
}

TEST(JsonString, LoneSurrogatesBecomeReplacements) {
  const std::string kReplacement = "\xef\xbf\xbd";
  EXPECT_EQ(json_string(R"("\ud800")"), kReplacement);
  EXPECT_EQ(json_string(R"("\udc00")"), kReplacement);
  EXPECT_EQ(json_string(R"("\ud800x")"), kReplacement + "x");
  EXPECT_EQ(json_string(R"("\ud800\n")"), kReplacement + "\n");
  EXPECT_EQ(json_string(R"("\ud800\u0041")"), kReplacement + "A");
  EXPECT_EQ(json_string(R"("\udc00\ud800")"), kReplacement + kReplacement);
  EXPECT_EQ(json_string(R"("\ud800\ud83d\ude00")"), kReplacement + "\xf0\x9f\x98\x80");
}

TEST(JsonString, RefusesWhatIsNoStringLiteral) {
  for (const ByteView raw : {"", "\"", "a", "1", "null", "\"a", "a\"", "\"a\"b", " \"a\"", "\"a\" ",
                             R"("\q")", "\"\xff\"", "\"a\nb\""}) {
    EXPECT_FALSE(json_string(raw)) << raw;
  }
}

std::string literal(ByteView text) {
  std::string out = "before";
  append_json_string(out, text);
  return out.substr(6);
}

TEST(JsonString, IsWrittenWithTheEscapesItNeeds) {
  EXPECT_EQ(literal(""), R"("")");
  EXPECT_EQ(literal("plain/'\x7f"), "\"plain/'\x7f\"");
  EXPECT_EQ(literal("a\"b\\c\nd\te"), R"("a\"b\\c\nd\u0009e")");
  EXPECT_EQ(literal(ByteView("\0\x1f", 2)), R"("\u0000\u001f")");
  EXPECT_EQ(literal("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
}

TEST(JsonString, WritesInvalidUtf8AsReplacements) {
  EXPECT_EQ(literal("a\xff\xc3"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(literal("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonString, ReadsBackWhatItWrote) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::size_t count = random() % 40; count > 0; --count) {
      text += static_cast<char>(random() % 128);
    }
    const std::string written = literal(text);
    ASSERT_TRUE(is_json_value(written)) << written;
    ASSERT_EQ(json_string(written), text);
    ASSERT_EQ(nlohmann::json::parse(written).get<std::string>(), text);
  }
}

}  // namespace
}  // namespace perijove
