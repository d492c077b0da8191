#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/export.hpp"

/// Code that is run, and what running it gave. Plain values: copy them, keep them, send them.
namespace perijove {

/// One piece of code in one language.
struct CodeBlock {
  /// Any name that is in use for it: `python`, `py`, `bash`, `sh`, `javascript` ... Case does not
  /// matter. Empty: the session's own language.
  std::string language = {};
  std::string code = {};
  /// Files that are written to the work directory before the block runs: relative path -> contents.
  std::map<std::string, std::string> files = {};
  /// Instead of `code`: the one of `files` that is run, in the kernel, as if it stood in `code`.
  std::string entry_point = {};
};

/// How a block, or a list of them, ended.
enum class CodeStatus {
  ok,
  error,        ///< The code raised, or ended with an exit code that is not 0.
  timeout,      ///< Over its time limit; CodeResult::state_kept says what became of the variables.
  interrupted,  ///< Somebody interrupted the kernel.
  cancelled,    ///< Its caller withdrew it.
  out_of_memory,  ///< The kernel was killed because memory ran out, by evidence.
  kernel_died,    ///< The kernel's process ended in another way.
  denied,         ///< Not run: validation or approval said no.
  rejected,       ///< Not run: its language is not spoken here, or the session has ended.
};

/// `ok`, `error`, `timeout`, `interrupted`, `cancelled`, `oom`, `kernel_died`, `denied`,
/// `rejected`: as REST answers spell it.
PERIJOVE_API std::string_view to_string(CodeStatus status);

/// The exit code that the status stands for when the code gave none: 0, 1, 124 (timeout, as
/// timeout(1)), 125 (cancelled, as AutoGen), 130 (interrupted, as a shell), 137 (out of memory,
/// died).
PERIJOVE_API int exit_code(CodeStatus status);

/// One level of a traceback, of the user's own code or of a library.
struct SourceFrame {
  std::string file;  ///< `<cell 4>` for a block that ran as number 4 of its kernel.
  int line = 0;      ///< From 1; 0 when it is not known.
  std::string function = {};
  std::string code = {};  ///< The line itself; may be empty.
  bool operator==(const SourceFrame&) const = default;
};

/// The exception that ended a block.
struct CodeError {
  std::string type;     ///< `ZeroDivisionError`; for failures of ours `language_not_supported` ...
  std::string message;  ///< As the code raised it, whole.
  std::optional<std::size_t> block = {};  ///< Index of the block, from 0.
  std::optional<int> line = {};           ///< In the block's own code, from 1.
  std::optional<int> column = {};         ///< From 1; for syntax errors that tell it.
  /// The user's code only, outermost first.
  std::vector<SourceFrame> frames = {};
  std::string traceback = {};  ///< For people, without ANSI colours.
  std::string hint = {};       ///< What to do about it; may be empty.
};

/// A file that running code left in the work directory.
struct OutputFile {
  std::string path;  ///< Relative to the work directory.
  std::string mime_type;
  std::uint64_t size_bytes = 0;
  std::string sha256 = {};  ///< Lower-case hexadecimal; empty for a file too large to be read.
  std::optional<std::uint32_t> width = {};  ///< Of an image, in pixels.
  std::optional<std::uint32_t> height = {};
  enum class Source {
    display,  ///< Made of what the code displayed.
    written,  ///< Written by the code itself.
  } source = Source::display;
  bool created = true;    ///< False: it was there before and was changed.
  std::size_t block = 0;  ///< Index of the block, from 0.
};

/// One displayed object, or the value of a block's last expression.
struct RichOutput {
  bool is_result = false;  ///< The value of the last expression.
  std::string text;        ///< Its text/plain, or what stands for it.
  /// The other representations: MIME type -> file in the work directory (an entry of
  /// CodeResult::output_files).
  std::map<std::string, std::string> files = {};
  /// Representations that were asked for in the answer itself: MIME type -> data as in a Jupyter
  /// message (base64 for binary types).
  std::map<std::string, std::string> inline_data = {};
  /// Why an image that was asked for in the answer is only a file: MIME type -> the reason.
  std::map<std::string, std::string> not_inline = {};
};

/// Something that a checkpoint, or what was brought back of one, is without.
struct NotSaved {
  std::string name;  ///< Of a variable, `language: name` for other languages than the session's.
  std::string reason;
};

/// Variables that came back from a checkpoint after their kernel was lost.
struct Recovery {
  std::string checkpoint_id;
  std::string created = {};           ///< When it was taken: UTC, ISO 8601.
  std::uint64_t executions_lost = 0;  ///< Begun since then: what those did to variables is gone.
  std::vector<std::string> restored = {};  ///< Names, as NotSaved has them.
  std::vector<NotSaved> failed = {};
};

/// How much of a text was left out, and where the whole is.
struct Truncation {
  std::uint64_t total_chars = 0;
  std::uint64_t kept_chars = 0;
};

/// What one block gave.
struct BlockResult {
  std::size_t index = 0;
  std::string language;
  CodeStatus status = CodeStatus::ok;
  int exit_code = 0;
  std::optional<std::int64_t> execution_count = {};
  std::string code_file = {};  ///< Where the code was saved, relative to the work directory.
  std::string stdout_text = {};
  std::string stderr_text = {};
  std::string output = {};  ///< Everything as text in order of arrival, within the budget.
  std::vector<RichOutput> results = {};
  std::optional<CodeError> error = {};
  std::chrono::milliseconds duration{};
};

/// What an execution was given and what it took, to compare executions by.
struct ExecutionStatistics {
  std::string profile = {};  ///< Resource profile of its session; may be empty.
  std::optional<std::uint64_t> memory_limit_bytes = {};   ///< Of each kernel.
  std::optional<double> cpu_limit = {};                   ///< Processors of each kernel.
  std::optional<std::chrono::milliseconds> timeout = {};  ///< Of each block.
};

/// What a list of blocks gave: those that ran, up to the first that failed.
struct CodeResult {
  std::string execution_id;
  std::string session_id;
  CodeStatus status = CodeStatus::ok;
  int exit_code = 0;
  std::string output;  ///< Of all blocks, in order of arrival, within the budget of the request.
  std::string stdout_text;
  std::string stderr_text;
  std::vector<BlockResult> blocks;
  std::optional<CodeError> error;
  std::vector<OutputFile> output_files;
  std::optional<Truncation> stdout_cut;
  std::optional<Truncation> stderr_cut;
  std::optional<Truncation> output_cut;
  bool state_kept = true;        ///< Variables of earlier code are still there.
  bool restarted = false;        ///< The kernel was restarted because of this request.
  std::string kernel;            ///< What the kernel does now: `idle`, `busy`, `dead` ...
  std::uint64_t generation = 1;  ///< Counts the kernel's processes from 1: state is per generation.
  /// The session as it was before these blocks, or as they left it; empty: no checkpoint was taken.
  std::string checkpoint_before;
  std::string checkpoint_after;
  std::optional<Recovery> recovered;
  bool cached = false;  ///< Nothing ran: the answer of an earlier, equal request.
  ExecutionStatistics statistics;
  std::chrono::milliseconds queued{};
  std::chrono::milliseconds duration{};
  std::vector<std::string> warnings;
  std::string note;  ///< What to tell people about the verdict; may be empty.
};

}  // namespace perijove
