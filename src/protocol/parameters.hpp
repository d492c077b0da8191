#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perijove/result.hpp"
#include "protocol/nbformat.hpp"

namespace perijove {

/// Names and values as a command line gives them: `-p year 2024`.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// The code that sets `parameters` in `language` (Python, R, Bash, Julia or JavaScript, by any of
/// their names). Values are typed as papermill's -p does: `True`, `False`, `None`, whole numbers,
/// decimal numbers; everything else is a string and is quoted, never run. Later ones win.
/// invalid_argument: a name that is no identifier, a value that the language cannot hold.
/// unimplemented: another language.
Result<std::string> parameters_source(const Parameters& parameters, std::string_view language);

/// Gives the notebook a cell tagged `injected-parameters` with that code, as papermill does: in
/// place of the one it may have, else after the first cell tagged `parameters`, else as its first
/// cell. Changes nothing on error, or when there are no parameters.
Result<void> inject_parameters(Notebook& notebook, const Parameters& parameters,
                               std::string_view language);

}  // namespace perijove
