#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "perijove/code_result.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// The result of a block that ran in restricted mode, from what kRestrictedScript answered:
/// code that was refused has its reasons as traceback, one a line, in place of output.
BlockResult restricted_result(std::size_t index, const Result<nlohmann::json>& answer);

/// Told with every result of restricted mode.
inline constexpr const char* kRestrictedWarning =
    "restricted mode is advisory: a guard rail against mistakes, not a boundary";

}  // namespace perijove
