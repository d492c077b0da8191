#include "protocol/json.hpp"

#include <nlohmann/json.hpp>

#include "protocol/json_scan.hpp"

namespace perijove {

Result<nlohmann::json> parse_json(ByteView text) {
  // The scan goes first: it bounds the depth before anything is built.
  if (!is_json_value(text)) {
    std::string reason = "not valid JSON";
    try {
      // Only to say where; the callback drops every value, so that nothing deep is ever built.
      const auto drop = [](int, nlohmann::json::parse_event_t, nlohmann::json&) { return false; };
      [[maybe_unused]] const auto nothing = nlohmann::json::parse(text, drop);
      reason = "JSON nested deeper than " + std::to_string(kJsonDepthMax) + " levels";
    } catch (const nlohmann::json::exception& fault) {
      const std::string_view what = fault.what();
      const std::size_t start = what.find("] ");
      reason = start == std::string_view::npos ? reason : std::string(what.substr(start + 2));
    }
    return Error{Code::invalid_argument, reason};
  }
  nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  // Valid by grammar and still refused: a number out of range, such as 1e999.
  if (value.is_discarded()) return Error{Code::invalid_argument, "JSON number out of range"};
  return value;
}

std::string dump_json(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string dump_json_pretty(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace perijove
