#include "protocol/json_fields.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace perijove {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

// The message that is left after one field was read; empty when there is none.
template <typename Read>
std::string complaint(const char* text, Read read) {
  const json object = json::parse(text);
  JsonFields fields(object, "thing");
  read(fields);
  if (!fields.error()) return {};
  EXPECT_EQ(fields.error()->code, Code::invalid_argument);
  return fields.error()->message;
}

TEST(JsonFields, ReadsWhatIsThere) {
  const json object = json::parse(
      R"({"text": "x", "yes": true, "number": 1.5, "map": {"b": "2", "a": "1"}, "how": "fast"})");
  JsonFields fields(object, "thing");
  EXPECT_EQ(fields.text("text"), "x");
  EXPECT_TRUE(fields.boolean("yes", false));
  EXPECT_EQ(fields.number("number", 0, 0, 2), 1.5);
  EXPECT_THAT(fields.text_map("map"), ElementsAre(Pair("a", "1"), Pair("b", "2")));
  EXPECT_EQ(fields.choice("how", {"slow", "fast"}, 0), 1u);
  EXPECT_FALSE(fields.error());
}

TEST(JsonFields, FallsBackWhereAFieldIsAbsentOrNull) {
  for (const char* const text :
       {"{}", R"({"yes": null, "number": null, "map": null, "how": null})"}) {
    const json object = json::parse(text);
    JsonFields fields(object, "thing");
    EXPECT_TRUE(fields.boolean("yes", true));
    EXPECT_EQ(fields.number("number", 7, 0, 1), 7) << "its own fallback may lie anywhere";
    EXPECT_THAT(fields.text_map("map"), IsEmpty());
    EXPECT_EQ(fields.choice("how", {"slow", "fast"}, 1), 1u);
    EXPECT_FALSE(fields.error());
  }
}

TEST(JsonFields, SaysWhichTypeWasExpectedAndFound) {
  EXPECT_EQ(complaint(R"({"x": 1})", [](auto& fields) { fields.boolean("x", true); }),
            "thing: field 'x' must be true or false, not a number");
  EXPECT_EQ(complaint(R"({"x": "1"})", [](auto& fields) { fields.number("x", 0, 0, 1); }),
            "thing: field 'x' must be a number, not a string");
  EXPECT_EQ(complaint(R"({"x": []})", [](auto& fields) { fields.text_map("x"); }),
            "thing: field 'x' must be an object of strings, not an array");
  EXPECT_EQ(complaint(R"({"x": {"k": 1}})", [](auto& fields) { fields.text_map("x"); }),
            "thing: field 'x' must hold strings only; 'k' is a number");
}

TEST(JsonFields, NumbersLieBetweenTheirBounds) {
  const auto read = [](double min, double max) {
    return [=](JsonFields& fields) { fields.number("x", 0, min, max); };
  };
  for (const char* const fine : {R"({"x": 0})", R"({"x": 1})", R"({"x": -0.0})"}) {
    EXPECT_EQ(complaint(fine, read(0, 1)), "") << fine;
  }
  for (const char* const beyond :
       {R"({"x": -1})", R"({"x": 1.0001})", R"({"x": 18446744073709551615})", R"({"x": 1e308})"}) {
    EXPECT_EQ(complaint(beyond, read(0, 1)), "thing: field 'x' must lie between 0 and 1") << beyond;
  }
  EXPECT_THAT(complaint(R"({"x": -1})", read(0.5, 1e9)), HasSubstr("between 0.5 and 1000000000"));
}

TEST(JsonFields, AChoiceIsOneOfAFew) {
  for (const char* const wrong : {R"({"x": "Fast"})", R"({"x": ""})", R"({"x": 1})"}) {
    EXPECT_EQ(complaint(wrong,
                        [](auto& fields) {
                          fields.choice("x", {"slow", "fast"}, 0);
                        }),
              "thing: field 'x' must be one of slow, fast");
  }
}

TEST(JsonFields, RefusesMembersThatNobodyReads) {
  const auto read = [](JsonFields& fields) { fields.refuse_unknown({"language", "code"}); };
  EXPECT_EQ(complaint(R"({"code": 1})", read), "");
  EXPECT_EQ(complaint("{}", read), "");
  EXPECT_THAT(complaint(R"({"code": 1, "langauge": 2})", read),
              AllOf(HasSubstr("'langauge' is not known"), HasSubstr("'language'")));
  EXPECT_EQ(complaint(R"({"zzz": 1})", read), "thing: field 'zzz' is not known");
}

TEST(JsonFields, NeverShowsAValue) {
  for (const char* const text : {R"({"x": "s3cret"})", R"({"x": {"k": ["s3cret"]}})"}) {
    const auto all = [](JsonFields& fields) {
      fields.boolean("x", true);
      fields.number("x", 0, 0, 1);
      fields.text_map("x");
      fields.choice("x", {"a"}, 0);
      fields.integer("x", 0, 1);
    };
    EXPECT_THAT(complaint(text, all), Not(HasSubstr("s3cret")));
  }
}

TEST(JsonFields, TheFirstFaultIsTheError) {
  const std::string found = complaint(R"({"a": 1, "b": 2})", [](JsonFields& fields) {
    fields.text("a");
    fields.boolean("b", false);
  });
  EXPECT_THAT(found, HasSubstr("'a'"));
}

TEST(JsonFields, ReadsNothingFromWhatIsNoObject) {
  for (const char* const text : {"[]", "null", "1", "\"x\""}) {
    const std::string found = complaint(text, [](JsonFields& fields) {
      EXPECT_FALSE(fields.boolean("x", false));
      EXPECT_EQ(fields.number("x", 2, 0, 1), 2);
      EXPECT_THAT(fields.text_map("x"), IsEmpty());
      EXPECT_EQ(fields.choice("x", {"a", "b"}, 1), 1u);
      fields.refuse_unknown({});
    });
    EXPECT_THAT(found, HasSubstr("thing: must be a JSON object, not ")) << text;
  }
}

}  // namespace
}  // namespace perijove
