#include "code/extraction.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/code_blocks.hpp"

namespace perijove {
namespace {

constexpr const char* kNoBlocks =
    "No code blocks found in the thread. Please provide at least one markdown-encoded code block "
    "to execute (i.e., quoting code in ```python or ```sh code blocks).";
constexpr const char* kBadLastMessages =
    "last_n_messages must be either a non-negative integer, or the string 'auto'.";

Error not_in_work_directory(std::string_view name, std::string_view why) {
  return Error{Code::invalid_argument, "Filename is not in the workspace: '" + std::string(name) +
                                           "' " + std::string(why) +
                                           "; name a file relative to the work directory"};
}

CodeBlock code_block(FencedBlock block) {
  CodeBlock made;
  made.language = std::move(block.language);
  made.code = std::move(block.code);
  return made;
}

// How many of the newest messages came since this agent spoke.
std::size_t messages_since_own(std::span<const ChatMessage> newest_first) {
  const auto own = std::find_if(newest_first.begin(), newest_first.end(),
                                [](const ChatMessage& each) { return each.role != "user"; });
  return static_cast<std::size_t>(own - newest_first.begin());
}

}  // namespace

std::string infer_language(std::string_view code, const PythonCheck& is_python) {
  for (const std::string_view command : {"python ", "python3 ", "pip"}) {
    if (code.starts_with(command)) return "sh";
  }
  return is_python(code) ? "python" : "unknown";
}

std::vector<CodeBlock> extract_blocks(std::string_view markdown, const PythonCheck& is_python,
                                      BlockChoice choice) {
  std::vector<FencedBlock> found = extract_code_blocks(markdown);
  if (choice == BlockChoice::first && found.size() > 1) found.resize(1);
  if (choice == BlockChoice::last && found.size() > 1) found.erase(found.begin(), found.end() - 1);
  std::vector<CodeBlock> blocks;
  for (FencedBlock& each : found) {
    if (each.language.empty()) each.language = infer_language(each.code, is_python);
    blocks.push_back(code_block(std::move(each)));
  }
  return blocks;
}

Result<std::vector<CodeBlock>> extract_supported_blocks(std::string_view markdown,
                                                        std::span<const std::string> languages) {
  std::vector<CodeBlock> blocks;
  for (FencedBlock& each : extract_code_blocks(markdown)) {
    const bool supported = std::any_of(
        languages.begin(), languages.end(),
        [&](const std::string& language) { return canonical_language(language) == each.language; });
    if (supported) blocks.push_back(code_block(std::move(each)));
  }
  if (blocks.empty()) return Error{Code::not_found, kNoBlocks};
  return blocks;
}

Result<std::vector<CodeBlock>> extract_supported_blocks(std::string_view markdown) {
  return extract_supported_blocks(markdown, std::vector<std::string>{"python", "sh"});
}

Result<LastMessages> parse_last_n_messages(std::string_view text) {
  if (text == "auto") return LastMessages();
  std::size_t count = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (fault != std::errc() || stop != text.data() + text.size()) {
    return Error{Code::invalid_argument, kBadLastMessages};
  }
  return LastMessages(count);
}

std::vector<CodeBlock> extract_from_messages(std::span<const ChatMessage> newest_first,
                                             LastMessages last, const PythonCheck& is_python) {
  const std::size_t count =
      std::min(last ? *last : messages_since_own(newest_first), newest_first.size());
  for (const ChatMessage& message : newest_first.first(count)) {
    std::vector<CodeBlock> blocks = extract_blocks(message.content, is_python);
    if (!blocks.empty()) return blocks;
  }
  return {};
}

Result<std::string> path_in_work_directory(std::string_view name) {
  if (name.empty()) return not_in_work_directory(name, "is empty");
  if (name.starts_with('/')) return not_in_work_directory(name, "is absolute");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      return not_in_work_directory(name, "contains control characters");
    }
  }
  std::vector<std::string_view> parts;
  bool names_a_file = false;
  for (std::string_view rest = name;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    names_a_file = !part.empty() && part != "." && part != "..";
    if (names_a_file) {
      parts.push_back(part);
    } else if (part == "..") {
      if (parts.empty()) return not_in_work_directory(name, "leads out of it");
      parts.pop_back();
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (!names_a_file) return not_in_work_directory(name, "names a directory");
  std::string path;
  for (const std::string_view part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

Result<std::optional<std::string>> requested_file_name(std::string_view code) {
  const std::string name = file_name_directive(code);
  if (name.empty()) return std::optional<std::string>();
  auto path = path_in_work_directory(name);
  if (!path) return path.error();
  return std::optional<std::string>(*std::move(path));
}

}  // namespace perijove
