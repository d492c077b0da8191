#include "executor/result_cache.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/code_blocks.hpp"
#include "protocol/json.hpp"
#include "protocol/sha256.hpp"

namespace perijove {

using nlohmann::json;

std::string ResultCache::key(const CodeRequest& request, std::string_view state) {
  json blocks = json::array();
  for (const CodeBlock& block : request.blocks) {
    blocks.push_back(
        {canonical_language(block.language), block.code, block.files, block.entry_point});
  }
  const TextBudget& budget = request.output.budget;
  const json all = {{"blocks", blocks},
                    {"env", request.env},
                    {"key", request.policies.cache.key},
                    {"stop_on_error", request.stop_on_error},
                    {"silent", request.silent},
                    {"budget",
                     {budget.chars_max, budget.line_chars_max, static_cast<int>(budget.strategy),
                      budget.head_ratio, budget.terminal.strip_escapes, budget.terminal.redraw,
                      budget.fold_repeats}},
                    {"images", static_cast<int>(request.output.images)},
                    {"state", request.policies.cache.pure ? std::string_view("pure") : state}};
  return sha256_hex(dump_json(all));
}

const CodeResult* ResultCache::find(const std::string& key, TimePoint now) {
  entries_.remove_if([now](const Entry& each) { return each.until <= now; });
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& each) { return each.key == key; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return &found->result;
}

void ResultCache::store(std::string key, CodeResult result, TimePoint until) {
  if (result.status != CodeStatus::ok) return;
  std::size_t bytes = result.output.size() + result.stdout_text.size() + result.stderr_text.size();
  for (const BlockResult& block : result.blocks) {
    bytes += block.output.size() + block.stdout_text.size() + block.stderr_text.size();
    for (const RichOutput& rich : block.results) {
      bytes += rich.text.size();
      for (const auto& [type, data] : rich.inline_data) bytes += data.size();
    }
  }
  if (bytes > kEntryBytesMax) return;
  entries_.remove_if([&](const Entry& each) { return each.key == key; });
  entries_.push_front({std::move(key), std::move(result), until});
  if (entries_.size() > kEntriesMax) entries_.pop_back();
}

}  // namespace perijove
