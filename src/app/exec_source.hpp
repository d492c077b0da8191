#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "perijove/result.hpp"

namespace perijove {

/// Code as `exec` runs it.
struct ExecSource {
  std::string language;             ///< What the kernel must speak; empty: any.
  std::vector<std::string> blocks;  ///< In order.
  std::vector<std::string> titles;  ///< One for each: where it stands and how it begins.
  std::size_t skipped = 0;          ///< Blocks of other languages that were passed over.
};

/// The language of a file by its name's ending: `python` for .py; empty for an unknown one.
/// Markdown is `markdown`.
std::string language_of_file(std::string_view file_name);

/// The fenced code blocks of a markdown text. `wanted` is the kernel's language (any spelling) or
/// empty: then that of the first block with one decides. Blocks without a language, and those that
/// name data or output (text, console, json ...), are prose. A block of another language is an
/// error (unimplemented) that names its line, unless `skip_others`.
Result<ExecSource> read_markdown(std::string_view text, std::string_view wanted, bool skip_others);

}  // namespace perijove
