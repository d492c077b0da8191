#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perijove {

/// The candidates that somebody who wrote `name` may have meant, closest first, at most `count`.
/// Close means: few wrong, missing, extra or swapped characters for its length, or one name
/// beginning with the other; upper and lower case are the same. Costs |name| x |candidate| each.
std::vector<std::string> closest_names(std::string_view name,
                                       const std::vector<std::string>& candidates,
                                       std::size_t count = 3);

/// `did you mean 'python3'?` or `did you mean 'ir' or 'irt'?`; empty when nothing is close.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace perijove
