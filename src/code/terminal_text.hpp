#pragma once

#include <string>
#include <string_view>

namespace perijove {

/// What terminal_text() leaves out besides what is no text.
struct TerminalRules {
  /// Escape sequences (CSI: colours, cursor; OSC: titles, links; DCS, APC, PM, SOS; character sets)
  /// and the control characters that show nothing, in their 7-bit and 8-bit forms.
  bool strip_escapes = true;
  /// A line with carriage returns or backspaces becomes what is to be seen in the end: progress
  /// bars their last state. Erase-in-line (CSI K) is obeyed in such a line. Cursor movements to
  /// other lines are not, and every character counts as one column wide. A line that is redrawn
  /// loses its escape sequences and the blanks at its end in any case.
  bool redraw = true;
};

/// What a terminal would show of `text`, as valid UTF-8: NUL and every byte that belongs to no
/// character become U+FFFD, CRLF becomes LF when lines are redrawn. An escape sequence that is not
/// finished on its line takes only its introducer with it, so that no text is lost.
///
/// Linear in time. Needs at most four times the longest redrawn line beside the result, which is at
/// most three times as long as `text`.
std::string terminal_text(std::string_view text, TerminalRules rules = {});

}  // namespace perijove
