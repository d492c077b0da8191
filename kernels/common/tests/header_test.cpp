#include "common/header.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json_text.hpp"

namespace perijove::kernels {
namespace {

using nlohmann::json;

TEST(HeaderWriter, WritesEveryFieldOfTheProtocol) {
  HeaderWriter headers;
  const json header = json::parse(headers.write("status"));
  EXPECT_EQ(header.size(), 6u);
  EXPECT_EQ(header["msg_type"], "status");
  EXPECT_EQ(header["session"], headers.session());
  EXPECT_EQ(header["username"], "kernel");
  EXPECT_EQ(header["version"], "5.3");
  std::string date = header["date"];
  std::replace_if(
      date.begin(), date.end(), [](char c) { return c >= '1' && c <= '9'; }, '0');
  EXPECT_EQ(date, "0000-00-00T00:00:00.000000Z");  // six digits always: 42 us are .000042
}

TEST(HeaderWriter, NeverRepeatsAnId) {
  HeaderWriter headers;
  HeaderWriter other;
  const json first = json::parse(headers.write("a"));
  EXPECT_NE(first["msg_id"], json::parse(headers.write("a"))["msg_id"]);
  EXPECT_NE(first["session"], json::parse(other.write("a"))["session"]);
}

TEST(JsonString, IsReadBackAsTheSameText) {
  for (const char* text :
       {"", "plain", "\"quoted\" \\ back", "line\nbreak\x01\x7f", "é\U0001fa90"}) {
    EXPECT_EQ(json::parse(json_string(text)).get<std::string>(), text);
  }
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json::parse(json_string("a\xff")).get<std::string>(), "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace perijove::kernels
