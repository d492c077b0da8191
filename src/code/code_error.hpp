#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "perijove/code_result.hpp"
#include "protocol/outputs.hpp"

namespace perijove {

/// What is left of a traceback that is too long: the outermost frame and the innermost ones, with a
/// line that counts those between them; and the beginning of its message. A budget of its own, so
/// that no amount of output pushes an error out of sight.
inline constexpr std::size_t kTracebackFramesFirst = 1;
inline constexpr std::size_t kTracebackFramesLast = 8;
inline constexpr std::size_t kTracebackMessageCharsMax = 4'000;
/// Whatever else is in it: context lines of enormous code, chains of exceptions.
inline constexpr std::size_t kTracebackCharsMax = 20'000;

/// The block that raised.
struct BlockSource {
  std::string_view code;
  std::string_view language;  ///< Any name of it.
  /// The number in `In [4]`: says which frames are this block's.
  std::optional<std::int64_t> execution_count = {};
};

/// The typed form of an error that a kernel sent.
///
/// `type` is its `ename`, or `Error` when it has none; `message` its `evalue`, whole. `line` is
/// that of the last frame in the block's own code, `column` that of a syntax error in it; in the
/// frames such a block is called `<cell 4>`, or `<cell>` when its number is not known. Frames of
/// the language's own library and of installed packages are left out of `frames`, not of
/// `traceback`. `block` and `hint` are the caller's to fill.
CodeError make_code_error(const ErrorOutput& raised, const BlockSource& block);

/// Python's rule for the argument of sys.exit(): nothing or None is 0, a number is itself (its last
/// eight bits), anything else 1. nullopt for an error that is not SystemExit.
std::optional<int> system_exit_code(const ErrorOutput& error);

/// How parse_error() reads.
enum class ErrorReading {
  /// As the guides' `parse_error` does: type is `(\w+Error):` anywhere or `Unknown`, line the first
  /// `line (\d+)`, message the text itself.
  guide,
  /// The last exception of the text, whatever its name: KeyboardInterrupt, StopIteration,
  /// SystemExit, DeprecationWarning, `mypackage.Stop`; the line of its innermost frame; its own
  /// message. `Unknown` and the whole text when there is none.
  any_exception,
};

struct ParsedError {
  std::string type;
  std::optional<int> line;
  std::string message;
};

/// What a text that somebody pasted says about a Python error.
ParsedError parse_error(std::string_view text, ErrorReading reading = ErrorReading::guide);

}  // namespace perijove
