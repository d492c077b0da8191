#pragma once

#include <list>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "executor/code_request.hpp"
#include "perijove/code_result.hpp"

namespace perijove {

/// Answers that may stand for those of equal requests: at most kEntriesMax, the longest unused goes
/// first. For one session; nobody else's answers are in it.
class ResultCache {
 public:
  static constexpr std::size_t kEntriesMax = 100;
  /// Texts of one answer; larger ones are not kept.
  static constexpr std::size_t kEntryBytesMax = std::size_t{1} << 20;

  /// What makes requests equal: their code, files, environment and limits of the output, the
  /// client's own key, and, unless the code is declared pure, the state that it finds.
  static std::string key(const CodeRequest& request, std::string_view state);

  /// The answer of that key; nullptr when there is none, or it is too old. Good until the next
  /// call.
  const CodeResult* find(const std::string& key, TimePoint now);
  /// Keeps the answer of code that ended well until `until`.
  void store(std::string key, CodeResult result, TimePoint until);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    CodeResult result;
    TimePoint until;
  };
  std::list<Entry> entries_;  // the last used first
};

}  // namespace perijove
