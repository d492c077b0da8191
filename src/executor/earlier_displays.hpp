#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "executor/block_report.hpp"

namespace perijove {

/// The displays of a session's earlier blocks that later code may update by their display_id. As
/// their files are all that is left of them, these are what follows an update.
class EarlierDisplays {
 public:
  /// What became of one display.
  struct Updated {
    std::string stem;        ///< Of its execution, as BlockContext has it.
    std::size_t block = 0;   ///< Where it stands there: the block,
    std::size_t result = 0;  ///< and which of its results.
    ReportedDisplay shown;
  };

  /// Remembers what BlockReport::updatable has of a block; the oldest are forgotten when there are
  /// more than limits::kUpdatableDisplaysMax.
  void keep(const std::map<std::size_t, UpdatableDisplay>& displays, const BlockContext& context);

  /// Saves `content` in place of every display with its display_id, under the names they have.
  std::vector<Updated> update(const WorkDir& directory, const DisplayOutput& content);

 private:
  struct Display {
    std::string id;
    std::string stem;
    std::size_t block = 0;
    std::size_t result = 0;
    std::size_t position = 0;
    bool is_result = false;
    OutputPolicy policy;
    std::vector<std::string> paths;
  };
  std::deque<Display> displays_;
};

}  // namespace perijove
