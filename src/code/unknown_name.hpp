#pragma once

#include <span>
#include <string_view>

#include "perijove/result.hpp"

namespace perijove {

/// not_found: `there is no result format 'autogne'; did you mean 'autogen'? known are: raw,
/// autogen` for a `name` that is none of `known`; `kind` says what it should be the name of.
Error unknown_name(std::string_view kind, std::string_view name,
                   std::span<const std::string_view> known);

}  // namespace perijove
