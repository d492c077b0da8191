// Invariant: the scan says what nlohmann's parser says, but for what that one is known to do
// differently; strings read back as they were written; members are values.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"
#include "require.hpp"

namespace {

using nlohmann::json;

// Only looks: how deep a text is nested, and why it was refused.
struct Judge final : nlohmann::json_sax<json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const json::exception& fault) override {
    constexpr int kNumberOverflow = 406;
    number_overflow = fault.id == kNumberOverflow;
    lone_surrogate = std::string(fault.what()).find("surrogate") != std::string::npos;
    return false;
  }
  bool enter() {
    deepest = std::max(deepest, ++depth);
    return true;
  }
  bool leave() {
    --depth;
    return true;
  }

  int depth = 0;
  int deepest = 0;
  bool number_overflow = false;
  bool lone_surrogate = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const ByteView text(reinterpret_cast<const char*>(data), size);
  Judge judge;
  const bool theirs = json::sax_parse(text, &judge);
  const bool ours = is_json_value(text);
  if (ours) {
    PERIJOVE_REQUIRE(theirs || judge.number_overflow || judge.lone_surrogate);
    PERIJOVE_REQUIRE(judge.deepest <= kJsonDepthMax);
  } else if (theirs) {
    // It takes a NUL for the end, passes over a byte order mark, and bounds no depth.
    PERIJOVE_REQUIRE(text.find('\0') != ByteView::npos || text.starts_with("\xef\xbb\xbf") ||
                     judge.deepest > kJsonDepthMax);
  }

  const auto parsed = parse_json(text);
  PERIJOVE_REQUIRE(parsed.has_value() == (ours && theirs));

  JsonMembers members(text);
  while (const auto member = members.next()) {
    PERIJOVE_REQUIRE(is_json_value(member->value));
    PERIJOVE_REQUIRE(json_string('"' + std::string(member->key) + '"').has_value());
  }
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool object = start != ByteView::npos && text[start] == '{';
  if (ours) PERIJOVE_REQUIRE(members.complete() == object);
  if (members.complete() && !ours) PERIJOVE_REQUIRE(judge.deepest > kJsonDepthMax);

  std::string literal;
  append_json_string(literal, text);
  PERIJOVE_REQUIRE(is_json_value(literal));
  const auto back = json_string(literal);
  PERIJOVE_REQUIRE(back.has_value());
  PERIJOVE_REQUIRE(json::parse(literal).get<std::string>() == *back);
  std::string again;
  append_json_string(again, *back);
  PERIJOVE_REQUIRE(again == literal);  // what was invalid has become U+FFFD, once
  if (json_string(text)) PERIJOVE_REQUIRE(ours);
  return 0;
}
