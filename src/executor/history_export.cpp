#include "executor/history_export.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/json.hpp"
#include "protocol/nbformat.hpp"

namespace perijove {
namespace {

using nlohmann::json;

// Null when they were not kept.
json outputs_of(const HistoryEntry& entry) {
  auto outputs = parse_json(entry.outputs);
  return outputs ? *std::move(outputs) : json();
}

json count_of(const HistoryEntry& entry) {
  return entry.execution_count ? json(*entry.execution_count) : json();
}

// A fence that does not occur in the code.
std::string fenced(const HistoryEntry& entry) {
  std::string fence = "```";
  while (entry.code.find(fence) != entry.code.npos) fence += '`';
  return fence + entry.language + "\n" + entry.code + "\n" + fence;
}

json cell_of(const HistoryEntry& entry, const NotebookKernel& kernel) {
  const bool own = entry.language == kernel.language;
  const bool magic = kernel.language == "python" && entry.language == "bash";
  if (!own && !magic) {
    return {{"cell_type", "markdown"}, {"metadata", json::object()}, {"source", fenced(entry)}};
  }
  json outputs = outputs_of(entry);
  json metadata = json::object();
  if (outputs.is_null()) {
    outputs = json::array();
    metadata["perijove"] = {{"outputs", "too large to keep"}};
  }
  // Counts of another kernel would be out of order among this one's.
  return {{"cell_type", "code"},
          {"metadata", std::move(metadata)},
          {"source", own ? entry.code : "%%bash\n" + entry.code},
          {"execution_count", own ? count_of(entry) : json()},
          {"outputs", std::move(outputs)}};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

json history_json(const std::deque<HistoryEntry>& history) {
  json entries = json::array();
  for (const HistoryEntry& entry : history) {
    entries.push_back({{"execution_id", entry.execution_id},
                       {"language", entry.language},
                       {"code", entry.code},
                       {"status", entry.status},
                       {"exit_code", entry.exit_code},
                       {"execution_count", count_of(entry)},
                       {"outputs", outputs_of(entry)}});
  }
  return entries;
}

std::string history_notebook(const std::deque<HistoryEntry>& history,
                             const NotebookKernel& kernel) {
  json cells = json::array();
  for (const HistoryEntry& entry : history) cells.push_back(cell_of(entry, kernel));
  const json document = {{"nbformat", 4},
                         {"nbformat_minor", 5},
                         {"metadata", json::object()},
                         {"cells", std::move(cells)}};
  // Gives the cells their ids.
  auto notebook = Notebook::parse(dump_json(document));
  if (!notebook) notebook = Notebook();  // cannot be: the document is ours
  notebook->set_kernelspec(kernel.name, kernel.display_name, kernel.language);
  return notebook->to_text();
}

std::string history_script(const std::deque<HistoryEntry>& history) {
  std::string script;
  for (const HistoryEntry& entry : history) {
    if (!script.empty()) script += '\n';
    if (entry.language == "python") {
      script += "# %%\n" + entry.code;
      if (!script.ends_with('\n')) script += '\n';
      continue;
    }
    script += "# %% language=\"" + entry.language + "\"\n";
    for (const std::string_view line : lines_of(entry.code)) {
      script += line.empty() ? "#" : "# ";
      script += line;
      script += '\n';
    }
  }
  return script;
}

}  // namespace perijove
