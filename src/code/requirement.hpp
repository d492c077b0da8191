#pragma once

#include <string>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove {

/// One Python package to install: `pandas`, `pandas>=2,<3`, `uvicorn[standard]==0.30.*`.
struct Requirement {
  std::string name;  ///< Normalized (PEP 503): lower case, `-` for runs of `-`, `_` and `.`.
  std::string text;  ///< As it was given, without blanks around it.
};

/// Reads a requirement as PEP 508 has it: a name, extras, version specifiers. Nothing in it can
/// become an option of pip or a word of a shell. invalid_argument for anything else, and on purpose
/// for two things of PEP 508: addresses (`name @ https://...`), because packages come from where
/// pip is configured to get them, and markers, which say nothing when one interpreter is meant.
Result<Requirement> parse_requirement(std::string_view text);

}  // namespace perijove
