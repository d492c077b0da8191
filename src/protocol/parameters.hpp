#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/result.hpp"
#include "protocol/nbformat.hpp"

namespace perijove {

/// A name and a value as a command line gives them: `-p year 2024`.
struct Parameter {
  std::string name;
  std::string value;
  bool is_string = false;  ///< The value is a string whatever it looks like.
};
using Parameters = std::vector<Parameter>;

/// Those of a JSON object of strings, numbers, booleans and nulls; invalid_argument for anything
/// else in it.
Result<Parameters> read_parameters(const nlohmann::json& object);

/// The code that sets `parameters` in `language` (Python, R, Bash, Julia or JavaScript, by any of
/// their names). Values are typed as papermill's -p does: `True`, `False`, `None`, whole numbers,
/// decimal numbers; everything else is a string and is quoted, never run; so is what says that it
/// is one. Later ones win. invalid_argument: a name that is no identifier, a value that the
/// language cannot hold. unimplemented: another language.
Result<std::string> parameters_source(const Parameters& parameters, std::string_view language);

/// Gives the notebook a cell tagged `injected-parameters` with that code, as papermill does: in
/// place of the one it may have, else after the first cell tagged `parameters`, else as its first
/// cell. Changes nothing on error, or when there are no parameters.
Result<void> inject_parameters(Notebook& notebook, const Parameters& parameters,
                               std::string_view language);

}  // namespace perijove
