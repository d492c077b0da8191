// Invariant: a header is read exactly when it is one object, and the ids are those that a parser
// which builds everything finds.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "protocol/header.hpp"
#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const ByteView text(reinterpret_cast<const char*>(data), size);
  auto peeked = peek_header(text);
  const auto parsed = parse_json(text);
  if (parsed) PERIJOVE_REQUIRE(peeked.has_value() == parsed->is_object());
  if (!peeked) return 0;
  const HeaderIds ids = *std::move(peeked);
  PERIJOVE_REQUIRE(ids.decoded.size() <= 3);
  if (!parsed) return 0;  // a number out of range, half a surrogate pair, or one level deeper

  const auto member = [&](const char* key) {
    const auto found = parsed->find(key);
    return found != parsed->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  // A key written with escapes is no id's key here, and is one to the parser.
  if (text.find('\\') != ByteView::npos) return 0;
  PERIJOVE_REQUIRE(ids.msg_id == member("msg_id"));
  PERIJOVE_REQUIRE(ids.msg_type == member("msg_type"));
  PERIJOVE_REQUIRE(ids.session == member("session"));
  return 0;
}
