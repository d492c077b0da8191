#include "common/requests.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

namespace perijove::kernels {
namespace {

using nlohmann::json;

enum class Kind { kString, kBoolean, kInteger, kObject, kCommId };

struct Field {
  std::string_view name;
  Kind kind;
  bool required = false;
};

constexpr Field kExecute[] = {
    {"code", Kind::kString, true},      {"silent", Kind::kBoolean},
    {"store_history", Kind::kBoolean},  {"user_expressions", Kind::kObject},
    {"allow_stdin", Kind::kBoolean},    {"stop_on_error", Kind::kBoolean},
    {"execution_count", Kind::kInteger}};
constexpr Field kComplete[] = {{"code", Kind::kString, true}, {"cursor_pos", Kind::kInteger}};
constexpr Field kInspect[] = {{"code", Kind::kString, true},
                              {"cursor_pos", Kind::kInteger},
                              {"detail_level", Kind::kInteger}};
constexpr Field kIsComplete[] = {{"code", Kind::kString, true}};
constexpr Field kHistory[] = {{"hist_access_type", Kind::kString},
                              {"n", Kind::kInteger},
                              {"pattern", Kind::kString},
                              {"raw", Kind::kBoolean},
                              {"output", Kind::kBoolean},
                              {"unique", Kind::kBoolean},
                              {"session", Kind::kInteger},
                              {"start", Kind::kInteger},
                              {"stop", Kind::kInteger}};
constexpr Field kCommInfo[] = {{"target_name", Kind::kString}};
constexpr Field kCommOpen[] = {{"comm_id", Kind::kCommId, true},
                               {"target_name", Kind::kString, true}};
constexpr Field kComm[] = {{"comm_id", Kind::kCommId, true}};

struct MessageShape {
  std::string_view msg_type;
  std::span<const Field> fields;
};

constexpr MessageShape kMessages[] = {
    {"execute_request", kExecute}, {"complete_request", kComplete},
    {"inspect_request", kInspect}, {"is_complete_request", kIsComplete},
    {"history_request", kHistory}, {"comm_info_request", kCommInfo},
    {"comm_open", kCommOpen},      {"comm_msg", kComm},
    {"comm_close", kComm}};

const MessageShape* shape_of(std::string_view msg_type) {
  const auto* const found =
      std::find_if(std::begin(kMessages), std::end(kMessages),
                   [&](const MessageShape& shape) { return shape.msg_type == msg_type; });
  return found == std::end(kMessages) ? nullptr : found;
}

bool is_of(Kind kind, const json& value) {
  // xeus keeps comm ids in strings of a fixed capacity and cuts off the rest.
  constexpr std::size_t kCommIdBytesMax = 55;
  switch (kind) {
    case Kind::kString:
      return value.is_string();
    case Kind::kBoolean:
      return value.is_boolean();
    case Kind::kInteger:
      return value.is_number_integer();
    case Kind::kObject:
      return value.is_object();
    case Kind::kCommId:
      return value.is_string() && value.get_ref<const std::string&>().size() <= kCommIdBytesMax;
  }
  return false;
}

constexpr std::string_view kRequestSuffix = "_request";

}  // namespace

bool is_for_xeus(std::string_view msg_type) { return shape_of(msg_type) != nullptr; }

bool is_request(std::string_view msg_type) { return msg_type.ends_with(kRequestSuffix); }

std::string reply_type_of(std::string_view request_type) {
  if (is_request(request_type)) request_type.remove_suffix(kRequestSuffix.size());
  return std::string(request_type) + "_reply";
}

std::optional<std::string> fault_of(std::string_view msg_type, const json& content) {
  const MessageShape* const shape = shape_of(msg_type);
  if (shape == nullptr) return std::nullopt;
  for (const Field& field : shape->fields) {
    const auto value = content.find(field.name);
    const bool absent = value == content.end();
    if (absent ? field.required : !is_of(field.kind, *value)) {
      return std::string(msg_type) + " has " + (absent ? "no " : "a bad ") +
             std::string(field.name);
    }
  }
  return std::nullopt;
}

}  // namespace perijove::kernels
