#include "common/history.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace perijove::kernels {
namespace {

using nlohmann::json;

constexpr int kSession = 1;

json reply_with(json entries) { return {{"status", "ok"}, {"history", std::move(entries)}}; }

json entry_of(int line, const std::string& input, bool output) {
  if (output) return json::array({kSession, line, json::array({input, nullptr})});
  return json::array({kSession, line, input});
}

}  // namespace

void History::store_inputs_impl(int, int, const std::string& input, const std::string&) {
  // xeus passes on an execution_count that no client sends; the lines are counted here.
  entries_.push_back({++last_line_, input});
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

json History::get_tail_impl(int n, bool, bool output) const {
  const auto count = std::min(entries_.size(), static_cast<std::size_t>(std::max(n, 0)));
  json found = json::array();
  for (auto i = entries_.size() - count; i < entries_.size(); ++i) {
    found.push_back(entry_of(entries_[i].line, entries_[i].input, output));
  }
  return reply_with(std::move(found));
}

json History::get_range_impl(int session, int start, int stop, bool, bool output) const {
  json found = json::array();
  const bool this_session = session == 0 || session == kSession;  // 0 means the current one
  for (const Entry& entry : entries_) {
    if (this_session && entry.line >= start && entry.line < stop) {
      found.push_back(entry_of(entry.line, entry.input, output));
    }
  }
  return reply_with(std::move(found));
}

json History::search_impl(const std::string& pattern, bool, bool output, int n, bool unique) const {
  std::unordered_set<std::string> seen;
  json newest_first = json::array();
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (static_cast<int>(newest_first.size()) >= n) break;
    if (fnmatch(pattern.c_str(), entry->input.c_str(), 0) != 0) continue;
    if (unique && !seen.insert(entry->input).second) continue;
    newest_first.push_back(entry_of(entry->line, entry->input, output));
  }
  std::reverse(newest_first.begin(), newest_first.end());
  return reply_with(std::move(newest_first));
}

}  // namespace perijove::kernels
