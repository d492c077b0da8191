#include "protocol/json_fields.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/suggest.hpp"

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

bool JsonFields::boolean(std::string_view field, bool fallback) {
  const nlohmann::json* value = find(field);
  if (value == nullptr || value->is_null()) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  refuse_type(field, "true or false", *value);
  return fallback;
}

double JsonFields::number(std::string_view field, double fallback, double min, double max) {
  const nlohmann::json* value = find(field);
  if (value == nullptr || value->is_null()) return fallback;
  if (!value->is_number()) {
    refuse_type(field, "a number", *value);
    return fallback;
  }
  const double given = value->get<double>();
  if (given >= min && given <= max) return given;
  const auto shown = [](double bound) {
    const nlohmann::json rounded = bound == std::floor(bound) && std::abs(bound) < 1e15
                                       ? nlohmann::json(static_cast<std::int64_t>(bound))
                                       : nlohmann::json(bound);
    return rounded.dump();
  };
  refuse(field, "must lie between " + shown(min) + " and " + shown(max));
  return fallback;
}

std::map<std::string, std::string> JsonFields::text_map(std::string_view field) {
  std::map<std::string, std::string> texts;
  const nlohmann::json* value = find(field);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_object()) {
    refuse_type(field, "an object of strings", *value);
    return texts;
  }
  for (const auto& [name, text] : value->items()) {
    if (!text.is_string()) {
      refuse(field, "must hold strings only; '" + name + "' is " + std::string(json_type(text)));
      return texts;
    }
    texts.emplace(name, text.get<std::string>());
  }
  return texts;
}

std::size_t JsonFields::choice(std::string_view field, const std::vector<std::string>& choices,
                               std::size_t fallback) {
  const nlohmann::json* value = find(field);
  if (value == nullptr || value->is_null()) return fallback;
  const std::string given = value->is_string() ? value->get<std::string>() : std::string();
  const auto found = std::find(choices.begin(), choices.end(), given);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string known;
  for (const std::string& each : choices) known += (known.empty() ? "" : ", ") + each;
  refuse(field, "must be one of " + known);
  return fallback;
}

void JsonFields::refuse_unknown(const std::vector<std::string>& known) {
  if (!object_.is_object()) return;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string meant = did_you_mean(name, known);
    refuse(name, meant.empty() ? "is not known" : "is not known; " + meant);
    return;
  }
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
