#include "protocol/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/json_scan.hpp"

namespace perijove {

// What is wrong with a text that was refused, and where. Never quotes the text: it may be long, or
// a key.
static std::string fault_of(ByteView text) {
  using Event = nlohmann::json::parse_event_t;
  int levels = 0;
  // The callback drops every value, so that nothing deep is ever built.
  const auto drop = [&levels](int depth, Event event, const nlohmann::json&) {
    if (event == Event::array_start || event == Event::object_start) {
      levels = std::max(levels, depth + 1);
    }
    return false;
  };
  try {
    [[maybe_unused]] const auto nothing = nlohmann::json::parse(text, drop);
  } catch (const nlohmann::json::exception& fault) {
    std::string_view what = fault.what();  // "[json.exception.parse_error.101] parse error at ..."
    if (const auto tag_end = what.find("] "); tag_end != what.npos) what.remove_prefix(tag_end + 2);
    for (const std::string_view quotation : {"; last read: '", " parsing '"}) {
      what = what.substr(0, what.find(quotation));
    }
    return std::string(what);
  }
  if (levels > kJsonDepthMax) {
    return "JSON nested deeper than " + std::to_string(kJsonDepthMax) + " levels";
  }
  return "not valid JSON: a byte order mark or a NUL character";  // nlohmann passes over both
}

Result<nlohmann::json> parse_json(ByteView text) {
  // The scan goes first: it bounds the depth before anything is built.
  if (!is_json_value(text)) return Error{Code::invalid_argument, fault_of(text)};
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  // Valid by grammar and still refused: a number such as 1e999, half of a surrogate pair.
  if (value.is_discarded()) return Error{Code::invalid_argument, fault_of(text)};
  return value;
}

std::string dump_json(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string dump_json_pretty(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace perijove
