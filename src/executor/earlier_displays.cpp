#include "executor/earlier_displays.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace perijove {
namespace {

std::vector<std::string> paths_of(const ReportedDisplay& shown) {
  std::vector<std::string> paths;
  for (const OutputFile& file : shown.files) paths.push_back(file.path);
  return paths;
}

}  // namespace

void EarlierDisplays::keep(const std::map<std::size_t, UpdatableDisplay>& displays,
                           const BlockContext& context) {
  for (const auto& [position, display] : displays) {
    displays_.push_back({.id = display.shown.display_id,
                         .stem = context.stem,
                         .block = context.index,
                         .result = display.result,
                         .position = position,
                         .is_result = display.shown.rich.is_result,
                         .policy = context.policy,
                         .paths = paths_of(display.shown)});
  }
  while (displays_.size() > limits::kUpdatableDisplaysMax) displays_.pop_front();
}

std::vector<EarlierDisplays::Updated> EarlierDisplays::update(const WorkDir& directory,
                                                              const DisplayOutput& content) {
  std::vector<Updated> updated;
  for (Display& display : displays_) {
    if (display.id != content.display_id) continue;
    DisplayOutput now = content;
    now.position = display.position;
    now.is_result = display.is_result;
    ReportedDisplay shown = report_display(now, {.directory = directory,
                                                 .policy = display.policy,
                                                 .stem = display.stem,
                                                 .index = display.block,
                                                 .language = {},
                                                 .code = {}});
    for (OutputFile& file : shown.files) file.created = false;
    // What it had as another type is not what it shows any more.
    std::vector<std::string> paths = paths_of(shown);
    for (const std::string& path : display.paths) {
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) (void)directory.remove(path);
    }
    display.paths = std::move(paths);
    updated.push_back({display.stem, display.block, display.result, std::move(shown)});
  }
  return updated;
}

}  // namespace perijove
