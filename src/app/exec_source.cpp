#include "app/exec_source.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/job_report.hpp"
#include "base/text.hpp"
#include "protocol/code_blocks.hpp"

namespace perijove {
namespace {

// Labels of fences that show something instead of doing something.
constexpr std::string_view kProse[] = {
    "",         "text",    "txt",  "plain", "plaintext", "console",  "output", "log",
    "json",     "jsonl",   "yaml", "yml",   "toml",      "ini",      "csv",    "tsv",
    "xml",      "html",    "css",  "diff",  "http",      "md",       "tex",    "latex",
    "markdown", "mermaid", "dot",  "pycon", "none",      "traceback"};

bool is_prose(std::string_view language) {
  return std::find(std::begin(kProse), std::end(kProse), language) != std::end(kProse);
}

}  // namespace

std::string language_of_file(std::string_view file_name) {
  constexpr std::pair<std::string_view, std::string_view> kEndings[] = {
      {".py", "python"},     {".r", "r"},           {".sh", "bash"},
      {".bash", "bash"},     {".js", "javascript"}, {".mjs", "javascript"},
      {".ts", "typescript"}, {".jl", "julia"},      {".rb", "ruby"},
      {".lua", "lua"},       {".md", "markdown"},   {".markdown", "markdown"}};
  const std::string lower = to_lower(file_name);
  for (const auto& [ending, language] : kEndings) {
    if (lower.size() > ending.size() && lower.ends_with(ending)) return std::string(language);
  }
  return {};
}

Result<ExecSource> read_markdown(std::string_view text, std::string_view wanted, bool skip_others) {
  ExecSource source;
  source.language = canonical_language(wanted);
  for (FencedBlock& block : extract_code_blocks(text)) {
    if (is_prose(block.language) || trim(block.code).empty()) continue;
    if (source.language.empty()) source.language = block.language;
    const std::string line = "line " + std::to_string(block.line);
    if (block.language != source.language) {
      if (skip_others) {
        ++source.skipped;
        continue;
      }
      return Error{Code::unimplemented,
                   "the block at " + line + " is " + block.language +
                       ", but all blocks run in one kernel and that speaks " + source.language +
                       "; --skip-others passes over blocks of other languages"};
    }
    if (!block.closed) {
      return Error{Code::invalid_argument,
                   "the block at " + line + " has no closing fence; is the text cut?"};
    }
    source.titles.push_back(line + ": " + title_of(block.code));
    source.blocks.push_back(std::move(block.code));
  }
  if (source.blocks.empty()) {
    return Error{Code::invalid_argument,
                 source.language.empty()
                     ? "the text has no fenced code block that names its language"
                     : "the text has no fenced code block in " + source.language};
  }
  return source;
}

}  // namespace perijove
