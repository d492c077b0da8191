#include "protocol/json_fields.hpp"

#include <nlohmann/json.hpp>

namespace perijove {

std::string json_text(const nlohmann::json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string_view json_type(const nlohmann::json& value) {
  using Type = nlohmann::json::value_t;
  switch (value.type()) {
    case Type::null:
      return "null";
    case Type::object:
      return "an object";
    case Type::array:
      return "an array";
    case Type::string:
      return "a string";
    case Type::boolean:
      return "a boolean";
    case Type::number_integer:
    case Type::number_unsigned:
    case Type::number_float:
      return "a number";
    case Type::binary:
    case Type::discarded:
      break;
  }
  return "something else";
}

JsonFields::JsonFields(const nlohmann::json& object, std::string document)
    : object_(object), document_(std::move(document)) {
  if (!object_.is_object()) {
    error_ = Error{Code::invalid_argument,
                   document_ + ": must be a JSON object, not " + std::string(json_type(object_))};
  }
}

const nlohmann::json* JsonFields::find(std::string_view field) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(field);
  return found == object_.end() ? nullptr : &*found;
}

std::string JsonFields::text(std::string_view field, std::string_view fallback) {
  const nlohmann::json* value = find(field);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) {
    refuse_type(field, "a string", *value);
    return std::string(fallback);
  }
  return value->get<std::string>();
}

int JsonFields::integer(std::string_view field, int min, int max) {
  const std::string expected =
      "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  const nlohmann::json* value = find(field);
  if (value == nullptr) {
    refuse(field, "is missing");
  } else if (!value->is_number_integer()) {
    refuse_type(field, expected, *value);
  } else if (*value < min || *value > max) {
    refuse(field, "must be " + expected);
  } else {
    return value->get<int>();
  }
  return min;
}

void JsonFields::refuse(std::string_view field, std::string_view problem) {
  if (error_) return;
  error_ = Error{Code::invalid_argument,
                 document_ + ": field '" + std::string(field) + "' " + std::string(problem)};
}

void JsonFields::refuse_type(std::string_view field, std::string_view expected,
                             const nlohmann::json& found) {
  refuse(field, "must be " + std::string(expected) + ", not " + std::string(json_type(found)));
}

}  // namespace perijove
