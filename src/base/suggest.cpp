#include "base/suggest.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace perijove {
namespace {

constexpr std::size_t kNameBytesMax = 128;  // names are short; what is longer was no typing error

// Wrong, missing, extra and swapped neighbouring characters (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string> closest_names(std::string_view name,
                                       const std::vector<std::string>& candidates,
                                       std::size_t count) {
  if (name.empty() || name.size() > kNameBytesMax) return {};
  const std::string wanted = to_lower(name);
  const std::size_t distance_max = std::max<std::size_t>(1, wanted.size() / 3);

  std::vector<std::pair<std::size_t, std::string>> close;
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > kNameBytesMax) continue;
    const std::string known = to_lower(candidate);
    const std::size_t distance = edit_distance(wanted, known);
    const bool begins = wanted.size() > 1 && known.size() > 1 &&
                        (known.starts_with(wanted) || wanted.starts_with(known));
    if (distance <= distance_max || begins) close.emplace_back(distance, candidate);
  }
  std::sort(close.begin(), close.end());
  if (close.size() > count) close.resize(count);

  std::vector<std::string> names;
  names.reserve(close.size());
  for (auto& [distance, candidate] : close) names.push_back(std::move(candidate));
  return names;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string> names = closest_names(name, candidates);
  if (names.empty()) return {};
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += "'" + names[i] + "'";
  }
  return text + "?";
}

}  // namespace perijove
