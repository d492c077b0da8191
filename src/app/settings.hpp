#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/serve_options.hpp"
#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// One thing that `serve` can be told, declared once: the flag `--cull-busy`, the variable
/// PERIJOVE_CULL_BUSY, the key `cull-busy` (or `cull_busy`) of a configuration file, the row in
/// docs/limits.md, and the default, which is read off ServeOptions itself.
struct Setting {
  enum class Shape {
    value,   ///< One value.
    toggle,  ///< true or false; the flag alone means true.
    list,    ///< Any number of values, separated by commas or given one by one.
  };

  std::string name;         ///< `cull-busy`
  std::string unit;         ///< `seconds`, `bytes`, `text` ...
  std::string description;  ///< One sentence or two.
  Shape shape = Shape::value;
  bool secret = false;  ///< Never shown.

  /// Takes the value; the error says what was expected.
  std::function<Result<void>(ServeOptions&, const std::vector<std::string>&)> write;
  /// What write() would have taken for the value that the options have.
  std::function<std::string(const ServeOptions&)> read;

  std::string variable() const;  ///< `PERIJOVE_CULL_BUSY`
};

inline constexpr std::string_view kSettingVariablePrefix = "PERIJOVE_";

/// All of them, in the order in which they are shown.
const std::vector<Setting>& serve_settings();

/// nullptr when there is none of that name; `_` is as good as `-`.
const Setting* find_setting(std::string_view name);

/// Sets one; errors begin with `source` ("--port", "PERIJOVE_PORT", "gateway.toml: port").
Result<void> apply_setting(ServeOptions& options, const Setting& setting,
                           const std::vector<std::string>& values, const std::string& source);

/// A TOML file with the settings at the top or below [serve]. Unknown keys and sections are errors
/// that name the closest known one.
Result<void> apply_config_file(ServeOptions& options, const std::string& path);

/// The PERIJOVE_* variables that are settings. Others are not ours to judge; those that look like a
/// mistyped setting are returned as warnings.
Result<std::vector<std::string>> apply_environment(ServeOptions& options,
                                                   const Environment& environment);

/// The table of docs/limits.md.
std::string settings_table();

}  // namespace perijove
