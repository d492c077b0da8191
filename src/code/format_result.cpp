#include "code/format_result.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "code/unknown_name.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

constexpr std::array<std::pair<std::string_view, ResultFormatter>, 6> kFormatters = {{
    {"raw", format_raw},
    {"autogen", format_autogen},
    {"exitcode", format_exitcode},
    {"openhands", format_openhands},
    {"anthropic", format_anthropic},
    {"markdown", format_markdown},
}};

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const std::size_t end = text.rfind('\n');
  return end == std::string_view::npos ? text : text.substr(end + 1);
}

void append_line(std::string& text, std::string_view line) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += line;
}

// The output and what it must not lack.
std::string shown_output(const CodeResult& result) {
  std::string text = result.output;
  if (result.error) {
    std::string told = result.error->traceback;
    if (trim(told).empty()) told = result.error->type + ": " + result.error->message;
    if (text.find(last_line(told)) == std::string::npos) append_line(text, told);
    if (!result.error->hint.empty()) append_line(text, result.error->hint);
  }
  if (!result.note.empty() && text.find(result.note) == std::string::npos) {
    append_line(text, result.note);
  }
  return text;
}

// Longer than every run of backticks in the text.
std::string fence_for(std::string_view text) {
  std::size_t longest = 2;
  std::size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(longest + 1, '`');
}

// A path in one line of markdown, whatever is in it.
std::string in_backticks(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  const std::string fence = line.find('`') == std::string::npos ? "`" : fence_for(line);
  const char* const pad = fence.size() > 1 ? " " : "";
  return fence + pad + line + pad + fence;
}

std::string described(const OutputFile& file) {
  std::string text = in_backticks(file.path) + " (" + file.mime_type;
  if (file.width && file.height) {
    text += ", " + std::to_string(*file.width) + "x" + std::to_string(*file.height);
  }
  return text + ", " + std::to_string(file.size_bytes) + " bytes)";
}

}  // namespace

std::string format_raw(const CodeResult& result) {
  std::string text = shown_output(result);
  return text.empty() ? "(no output)" : text;
}

std::string format_autogen(const CodeResult& result) {
  const std::string text = shown_output(result);
  const std::string code = std::to_string(result.exit_code);
  if (trim(text).empty()) {
    return "The script ran but produced no output to console. The POSIX exit code was: " + code +
           ". If you were expecting output, consider revising the script to ensure content is "
           "printed to stdout.";
  }
  if (result.exit_code == 0) return text;
  return "The script ran, then exited with an error (POSIX exit code: " + code +
         ")\nIts output was:\n" + text;
}

std::string format_exitcode(const CodeResult& result) {
  const char* const verdict = result.exit_code == 0 ? "execution succeeded" : "execution failed";
  return "exitcode: " + std::to_string(result.exit_code) + " (" + verdict +
         ")\nCode output: " + shown_output(result);
}

std::string format_openhands(const CodeResult& result) {
  std::string text = shown_output(result);
  if (result.exit_code != 0) {
    append_line(text, "[Command finished with exit code " + std::to_string(result.exit_code) + "]");
  } else if (text.empty()) {
    text = "[Code executed successfully with no output]";
  }
  return text;
}

std::string format_anthropic(const CodeResult& result) {
  nlohmann::json content = nlohmann::json::array();
  for (const OutputFile& file : result.output_files) {
    content.push_back({{"type", "code_execution_output"}, {"file_id", file.path}});
  }
  std::string errors = result.stderr_text;
  if (result.error) append_line(errors, result.error->traceback);
  if (!result.note.empty()) append_line(errors, result.note);
  return dump_json({{"type", "code_execution_result"},
                    {"stdout", result.stdout_text},
                    {"stderr", errors},
                    {"return_code", result.exit_code},
                    {"content", std::move(content)}});
}

std::string format_markdown(const CodeResult& result) {
  std::string text = "**" + std::string(to_string(result.status)) + "** (exit code " +
                     std::to_string(result.exit_code) + ")\n";
  std::string output = shown_output(result);
  if (output.empty()) {
    text += "\n(no output)\n";
  } else {
    const std::string fence = fence_for(output);
    append_line(output, "");
    text += "\n" + fence + "text\n" + output + fence + "\n";
  }
  if (!result.output_files.empty()) text += "\nFiles:\n\n";
  for (const OutputFile& file : result.output_files) text += "- " + described(file) + "\n";
  if (!result.warnings.empty()) text += "\nWarnings:\n\n";
  for (const std::string& warning : result.warnings) text += "- " + warning + "\n";
  return text;
}

std::span<const std::string_view> format_names() {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kFormatters.size()> names;
    std::transform(kFormatters.begin(), kFormatters.end(), names.begin(),
                   [](const auto& each) { return each.first; });
    return names;
  }();
  return kNames;
}

Result<std::string> format_result(std::string_view name, const CodeResult& result) {
  for (const auto& [known, formatter] : kFormatters) {
    if (known == name) return formatter(result);
  }
  return unknown_name("result format", name, format_names());
}

std::string fence_blocks(std::span<const CodeBlock> blocks) {
  std::string text;
  for (const CodeBlock& block : blocks) {
    const auto entry = block.files.find(block.entry_point);
    const std::string& code = entry == block.files.end() ? block.code : entry->second;
    const std::string fence = fence_for(code);
    if (!text.empty()) text += "\n\n";
    text += fence + block.language + "\n" + code + "\n" + fence;
  }
  return text;
}

ExecutionReply extract_execution_results(std::string_view reply) {
  ExecutionReply found;
  constexpr std::string_view kCode = "exitcode: ";
  for (std::size_t at = reply.find(kCode); at != std::string_view::npos;
       at = reply.find(kCode, at + 1)) {
    const std::string_view digits = reply.substr(at + kCode.size());
    if (digits.empty() || digits[0] < '0' || digits[0] > '9') continue;
    std::from_chars(digits.data(), digits.data() + digits.size(), found.exit_code);
    break;
  }
  constexpr std::string_view kOutput = "Code output:";
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  for (std::size_t at = reply.find(kOutput); at != std::string_view::npos;
       at = reply.find(kOutput, at + 1)) {
    std::string_view output = reply.substr(at + kOutput.size());
    if (output.empty() || kSpace.find(output[0]) == std::string_view::npos) continue;
    output.remove_prefix(1);
    if (output.ends_with('\n')) output.remove_suffix(1);
    found.output = output;
    break;
  }
  found.succeeded = found.exit_code == 0;
  return found;
}

}  // namespace perijove
