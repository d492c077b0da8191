#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace perijove {

/// One fenced code block of a markdown text.
struct FencedBlock {
  std::string language;   ///< Canonical, see canonical_language(); empty when the fence names none.
  std::string code;       ///< Lines joined by LF, without the last line break.
  std::string info;       ///< The fence's info string as it stands: `python title="x"`.
  std::string file_name;  ///< file_name_directive(code); the line stays part of the code.
  std::size_t line = 0;   ///< Line of the opening fence, counted from 1.
  bool closed = true;     ///< False when the text ends before the closing fence.
};

/// All fenced code blocks of a text, in order, by the rules of CommonMark: fences of three or more
/// ``` or ~~~ at the start of a line; the closing one of the same kind, at least as long, and not
/// indented by four columns more; content loses the indentation of its opening fence. Beyond
/// CommonMark, because models write so: a fence may be indented at will or stand behind a list
/// marker. Gives what AutoGen's extractor gives (all blocks, code without its last line break), but
/// does not end a block early at the shorter fence in it or at the one in an indented docstring.
std::vector<FencedBlock> extract_code_blocks(std::string_view markdown);

/// The code of the first block that is Python or names no language; without one the whole text
/// without white space around it, for replies that are nothing but code.
std::string first_code_or_text(std::string_view markdown);

/// The file that code asks to be saved as, by AutoGen's first line `# filename: x.py` in the
/// comment of any language; empty when there is none. Not checked: it may say `../x`.
std::string file_name_directive(std::string_view code);

/// One name for each language: `py`, `python3`, `ipython` -> `python`; `sh`, `shell` -> `bash`;
/// `js`, `node` -> `javascript`; ... Lower case; names that are not known stay as they are.
std::string canonical_language(std::string_view name);

}  // namespace perijove
