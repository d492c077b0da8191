#pragma once

#include <string>
#include <vector>

namespace perijove {

/// Rows as text, their columns as wide as they must be; the first row is the heading. The last
/// column may be as long as it likes. No line break at the end.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace perijove
