#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "perijove/code_result.hpp"

namespace perijove {

/// `file` of a SourceFrame whose text only tells that it is a block of code, not which.
inline constexpr std::string_view kSomeCell = "<cell>";

/// One frame as the text of a traceback shows it.
struct TracebackFrame {
  /// `file` is `<cell 4>`, kSomeCell or the path as it stands. `function` is empty at top level;
  /// `line` is 0 and `code` empty when the text does not tell them.
  SourceFrame source;
  /// Where its header begins in the text.
  std::size_t begin = 0;
  bool is_library = false;  ///< Of the language or of an installed package, not of the user.
  /// Of a syntax error: the place of the caret in `source.code`, from 1.
  std::optional<int> caret = {};
};

/// The frames in the text of a traceback without ANSI colours, outermost first; of chained
/// exceptions those of every one, in the order of the text. Knows
///   - python: IPython 7 to 9 (`Cell In[4], line 3`, `<ipython-input-4-...> in f(x)`,
///     `File ~/x.py:3, in f(x)`) and CPython (`File "x.py", line 3, in f`);
///   - r: the list that IRkernel adds (`2. g(x)   # at line 2 of file <text>`) and parse errors;
///   - javascript, typescript: V8 (`at f (file:3:9)`);
///   - bash: `bash: line 3: ...`.
/// `language` is canonical. A text in another one has no frames. Linear in time.
std::vector<TracebackFrame> find_frames(std::string_view text, std::string_view language);

}  // namespace perijove
