#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perijove {

/// Python's `text.splitlines(keepends=True)` for UTF-8: the pieces into which nbformat splits what
/// it writes. Breaks at LF, CR, CRLF, VT, FF, U+001C to U+001E, U+0085, U+2028 and U+2029.
std::vector<std::string_view> split_python_lines(std::string_view text);

/// Python's `repr(text)` of a string, for text whose only control characters are line breaks.
std::string python_quoted(std::string_view text);

/// Python's `repr(value)` of a float: the shortest text that reads back as the same number.
std::string format_python_float(double value);

}  // namespace perijove
