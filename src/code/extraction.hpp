#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "perijove/code_result.hpp"
#include "perijove/result.hpp"

/// Which code of a conversation is to be run. Fences are found by protocol/code_blocks.hpp, whose
/// first_code_or_text() is the guides' own extraction of a single block.
namespace perijove {

/// Whether a text compiles as Python. Asked only about code that names no language.
using PythonCheck = std::function<bool(std::string_view code)>;

/// AutoGen's guess for code that names no language: `sh` when it begins with `python `, `python3 `
/// or `pip`, `python` when it compiles as that, else `unknown`.
std::string infer_language(std::string_view code, const PythonCheck& is_python);

/// Which blocks of a text are meant.
enum class BlockChoice { all, first, last };

/// The fenced blocks of a markdown text, each with its language: the canonical name of the one that
/// the fence names, or the inferred one.
std::vector<CodeBlock> extract_blocks(std::string_view markdown, const PythonCheck& is_python,
                                      BlockChoice choice = BlockChoice::all);

/// What AutoGen's CodeExecutorAgent runs: the blocks whose fence names one of `languages`, by any
/// of that language's names, in any case. not_found, with AutoGen's sentence, when there is none.
Result<std::vector<CodeBlock>> extract_supported_blocks(std::string_view markdown,
                                                        std::span<const std::string> languages);

/// The same for what AutoGen supports when nothing is said: python and sh.
Result<std::vector<CodeBlock>> extract_supported_blocks(std::string_view markdown);

/// One message of a conversation, as chat completion interfaces have it.
struct ChatMessage {
  std::string role;  ///< `user`, `assistant` ...; of this agent's own messages not `user`.
  std::string content;
};

/// How many messages are searched: a number, or nullopt for `auto`: back to this agent's own last
/// message.
using LastMessages = std::optional<std::size_t>;

/// `last_n_messages` of a configuration, as text: `auto` or a number from 0; invalid_argument, with
/// AG2's sentence, for anything else.
Result<LastMessages> parse_last_n_messages(std::string_view text);

/// What a UserProxyAgent runs: all blocks of the newest message that has any, among the last `last`
/// ones. `newest_first` is in that order.
std::vector<CodeBlock> extract_from_messages(std::span<const ChatMessage> newest_first,
                                             LastMessages last, const PythonCheck& is_python);

/// Where a file of that name goes beneath a work directory: `./a//b.py` is `a/b.py`.
/// invalid_argument, beginning with AutoGen's `Filename is not in the workspace`, for a name that
/// is absolute, leads out of the directory, or names no file. Only the text is looked at: symbolic
/// links are for whoever opens it.
Result<std::string> path_in_work_directory(std::string_view name);

/// The file that code asks to be saved as, by a first line `# filename: x.py`, checked so; nullopt
/// when it asks for none.
Result<std::optional<std::string>> requested_file_name(std::string_view code);

}  // namespace perijove
