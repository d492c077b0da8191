#include "net/http.hpp"

#include <gmock/gmock.h>

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(HttpFields, AreFoundInAnyCaseAndTheFirstCounts) {
  const HttpFields fields = {{"Host", "a"}, {"X-One", "1"}, {"x-one", "2"}, {"Empty", ""}};
  EXPECT_EQ(find_field(fields, "host"), "a");
  EXPECT_EQ(find_field(fields, "X-ONE"), "1");
  EXPECT_EQ(find_field(fields, "Empty"), "");
  EXPECT_EQ(find_field(fields, "X-On"), "");
  EXPECT_EQ(find_field({}, "Host"), "");
}

TEST(HttpRequest, FindsTheFirstArgumentOfAName) {
  HttpRequest request;
  request.query = parse_query("a=1&b=2&a=3&empty=");
  EXPECT_EQ(request.argument("a"), "1");
  EXPECT_EQ(request.argument("empty"), "");
  EXPECT_EQ(request.argument("A"), std::nullopt);
}

HttpRequest upgrade() {
  HttpRequest request;
  request.method = "GET";
  request.headers = {{"Connection", "keep-alive, Upgrade"},
                     {"Upgrade", "websocket"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  return request;
}

TEST(HttpRequest, AsksForAWebsocketWithEveryPartOfTheHandshake) {
  EXPECT_TRUE(upgrade().is_websocket_upgrade());
  HttpRequest other_case = upgrade();
  other_case.headers[0].second = "UPGRADE";
  other_case.headers[1].second = "WebSocket";
  EXPECT_TRUE(other_case.is_websocket_upgrade());

  HttpRequest post = upgrade();
  post.method = "POST";
  EXPECT_FALSE(post.is_websocket_upgrade());
  for (std::size_t missing = 0; missing < 4; ++missing) {
    HttpRequest request = upgrade();
    request.headers.erase(request.headers.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_FALSE(request.is_websocket_upgrade()) << missing;
  }
  for (const auto& [at, value] : std::vector<std::pair<std::size_t, const char*>>{
           {0, "keep-alive"}, {0, "upgraded"}, {1, "h2c"}, {2, "8"}, {2, "013"}, {3, ""}}) {
    HttpRequest request = upgrade();
    request.headers[at].second = value;
    EXPECT_FALSE(request.is_websocket_upgrade()) << value;
  }
}

TEST(Http, FindsTokensInLists) {
  EXPECT_TRUE(has_token("a", "a"));
  EXPECT_TRUE(has_token("x, A ,y", "a"));
  EXPECT_TRUE(has_token(",,\t a\t,", "a"));
  EXPECT_FALSE(has_token("", "a"));
  EXPECT_FALSE(has_token("ab, ba", "a"));
  EXPECT_FALSE(has_token("a b", "a"));
  EXPECT_FALSE(has_token(" , ", ""));
}

TEST(Http, ComparesIgnoringCaseOfAsciiOnly) {
  EXPECT_TRUE(equal_ignoring_case("Content-TYPE", "content-type"));
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
  EXPECT_FALSE(equal_ignoring_case("\xc3\x84", "\xc3\xa4"));
}

TEST(Http, NamesEveryStatus) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(201), "Created");
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(503), "Service Unavailable");
  for (const int unknown : {0, -1, 299, 600, 1000}) EXPECT_EQ(reason_phrase(unknown), "Unknown");
}

TEST(Http, WritesDatesAsTheRfcDoes) {
  EXPECT_EQ(http_date(WallTime(std::chrono::seconds(784'111'777))),
            "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(WallTime()), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(WallTime(std::chrono::milliseconds(951'782'400'999))),
            "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(PercentEncoding, IsDecoded) {
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("a%40b%2fc%2F"), "a@b/c/");
  EXPECT_EQ(percent_decode("%c3%A4"), "\xc3\xa4");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("%2B%25", true), "+%");
  EXPECT_EQ(percent_decode("%2541"), "%41") << "once";
}

TEST(PercentEncoding, RefusesBrokenEscapesAndNul) {
  for (const std::string_view bad :
       {"%", "%4", "a%", "a%4", "%g0", "%0g", "%%41", "% 1", "%-1", "%00", "a%00b"}) {
    EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(percent_decode(std::string_view("a\0b", 3)), std::nullopt);
}

TEST(PercentEncoding, ReadsBackWhatItWrote) {
  EXPECT_EQ(percent_encode_path("a b/c.png"), "a%20b/c.png");
  EXPECT_EQ(percent_encode_path("-._~AZaz09"), "-._~AZaz09");
  EXPECT_EQ(percent_encode_path("%?#\xc3\xa4"), "%25%3F%23%C3%A4");
  std::string every;
  for (int c = 1; c < 256; ++c) every += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode_path(every)), every);
}

TEST(Query, IsSplitAndDecoded) {
  EXPECT_THAT(parse_query("a=1&b=x%20y+z&c"),
              ElementsAre(Pair("a", "1"), Pair("b", "x y z"), Pair("c", "")));
  EXPECT_THAT(parse_query("a=b=c&%61=2"), ElementsAre(Pair("a", "b=c"), Pair("a", "2")));
  EXPECT_THAT(parse_query(""), IsEmpty());
  EXPECT_THAT(parse_query("&&=1&="), IsEmpty());
}

TEST(Query, LeavesOutWhatCannotBeDecoded) {
  EXPECT_THAT(parse_query("a=%&b=2&%zz=3&c=%00"), ElementsAre(Pair("b", "2")));
}

}  // namespace
}  // namespace perijove
