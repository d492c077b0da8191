#pragma once

#include <span>
#include <string>
#include <string_view>

#include "perijove/code_result.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// A CodeResult as the text that a language model or a client library of one kind expects. Whatever
/// the format, an error is told: where the output does not show it, its traceback follows; and so
/// does the result's note.
using ResultFormatter = std::string (*)(const CodeResult& result);

/// `raw`: the output; `(no output)` when there is none.
std::string format_raw(const CodeResult& result);

/// `autogen`: what AutoGen 0.7's CodeExecutorAgent replies: a sentence when nothing was printed,
/// the output alone after success, and behind `The script ran, then exited with an error` else.
std::string format_autogen(const CodeResult& result);

/// `exitcode`: what AG2 and AutoGen 0.2 reply: `exitcode: 0 (execution succeeded)`, then a line
/// `Code output: ` with the output.
std::string format_exitcode(const CodeResult& result);

/// `openhands`: the output or `[Code executed successfully with no output]`; after a failure with
/// `[Command finished with exit code 1]` on a line of its own.
std::string format_openhands(const CodeResult& result);

/// `anthropic`: the JSON text of a `code_execution_result`: `stdout`, `stderr`, `return_code`, and
/// in `content` one entry for each output file, its path as `file_id`.
std::string format_anthropic(const CodeResult& result);

/// `markdown`: status, output in a fence that nothing in it can close, files, warnings.
std::string format_markdown(const CodeResult& result);

/// The names that format_result() knows, in the order above.
std::span<const std::string_view> format_names();

/// The result in the format of that name: perijove/executor.hpp has its contract.
PERIJOVE_API Result<std::string> format_result(std::string_view format, const CodeResult& result);

/// The code of a request as AutoGen shows it to whoever approves it: each block in a fence with its
/// language as it was given, an empty line between them.
std::string fence_blocks(std::span<const CodeBlock> blocks);

/// What somebody reads back out of a reply in the format `exitcode`.
struct ExecutionReply {
  int exit_code = -1;  ///< -1: the text tells none.
  std::string output;  ///< Behind `Code output:` and one white space; without a last line break.
  bool succeeded = false;
};

/// As the guides' extract_execution_results does, but it also finds the output where the real
/// libraries write it, behind a blank instead of a line break.
ExecutionReply extract_execution_results(std::string_view reply);

}  // namespace perijove
