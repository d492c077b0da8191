#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove {

/// Reads the members of one JSON object that a stranger wrote. The first wrong one is remembered as
/// the error, and reading goes on with fallbacks, so that a document is read in one straight
/// sequence and judged at its end:
///
///     JsonFields fields(document, "connection file");
///     info.ip = fields.text("ip", "127.0.0.1");
///     if (auto error = fields.error()) return *error;
///
/// Errors name the document and the field and say the type found, never the value: it may be a key.
/// Refers to `object`, which must outlive it.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string document);

  /// A string; `fallback` when the field is absent.
  std::string text(std::string_view field, std::string_view fallback = {});
  /// true or false; `fallback` when the field is absent or null.
  bool boolean(std::string_view field, bool fallback);
  /// A number from `min` to `max`; `fallback` when the field is absent or null.
  double number(std::string_view field, double fallback, double min, double max);
  /// An object of strings; empty when the field is absent or null.
  std::map<std::string, std::string> text_map(std::string_view field);
  /// One of `choices`; the position of `fallback` is that of the absent or null field.
  std::size_t choice(std::string_view field, const std::vector<std::string>& choices,
                     std::size_t fallback);
  /// Refuses members that are not in `known`, and says which of those may have been meant.
  void refuse_unknown(const std::vector<std::string>& known);
  /// An integer that must be there and lie in [min, max].
  int integer(std::string_view field, int min, int max);
  /// The member, of whatever type; nullptr when absent.
  const nlohmann::json* find(std::string_view field) const;

  /// Remembers `field 'FIELD' PROBLEM` unless something was wrong before.
  void refuse(std::string_view field, std::string_view problem);
  /// The same for a value of the wrong type: `must be EXPECTED, not a number`.
  void refuse_type(std::string_view field, std::string_view expected, const nlohmann::json& found);

  const std::optional<Error>& error() const { return error_; }

 private:
  const nlohmann::json& object_;
  std::string document_;
  std::optional<Error> error_;
};

/// The string member of that name; empty when `object` has none, or something else there. For what
/// is read tolerantly.
std::string json_text(const nlohmann::json& object, std::string_view name);

/// `a string`, `null`, `an array` ...: the type of a value, for error messages.
std::string_view json_type(const nlohmann::json& value);

}  // namespace perijove
