#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/runner.hpp"
#include "executor/code_request.hpp"
#include "io/work_dir.hpp"
#include "perijove/code_result.hpp"

namespace perijove {

/// The files of a work directory at one moment: path -> what tells a change.
struct WorkDirSnapshot {
  std::map<std::string, WorkDirEntry> files;
  bool complete = true;  ///< False when there are too many to look at.
};

/// Blocks for as long as the disk takes; at most kSnapshotFilesMax files.
WorkDirSnapshot take_snapshot(const WorkDir& directory);
inline constexpr std::size_t kSnapshotFilesMax = 10'000;

/// Files that are new or different in `after`, with size, hash and dimensions, as of block `block`;
/// without the caches that Python and notebooks leave beside code (`__pycache__`,
/// `.ipynb_checkpoints`).
std::vector<OutputFile> find_changes(const WorkDir& directory, const WorkDirSnapshot& before,
                                     const WorkDirSnapshot& after, std::size_t block);

/// One display, with its files.
struct ReportedDisplay {
  std::string display_id;  ///< Empty: nothing can update it.
  RichOutput rich;
  std::vector<OutputFile> files;
  std::vector<std::string> warnings;
};

/// What makes a BlockResult of a RunResult.
struct BlockContext {
  const WorkDir& directory;
  const OutputPolicy& policy;
  std::string stem;              ///< Of the names of saved outputs, see output_file_name().
  std::size_t index = 0;         ///< Of the block, from 0.
  std::string language;          ///< Canonical.
  std::string code;              ///< As it was run.
  bool was_interrupted = false;  ///< Somebody interrupted the session meanwhile.
  bool ran_out_of_total_time = false;
  std::optional<bool> out_of_memory = {};  ///< When the process died: see ProcessExit.
  /// By position: displays that report_display() has saved as they are now, and need not again.
  const std::map<std::size_t, ReportedDisplay>* reported = nullptr;
};

/// Saves one display of the block, under names that follow from its position.
ReportedDisplay report_display(const DisplayOutput& display, const BlockContext& context);

/// A display that later code may update by its display_id.
struct UpdatableDisplay {
  std::size_t result = 0;  ///< Which of BlockResult::results it is.
  ReportedDisplay shown;
};

/// A block's result with its texts whole: fit_result() comes later, when all blocks have run.
struct BlockReport {
  BlockResult result;
  std::vector<OutputFile> files;                      ///< Saved displays.
  std::map<std::size_t, UpdatableDisplay> updatable;  ///< By position.
  std::vector<std::string> warnings;
};

/// Status, exit code, error, texts; saves what was displayed.
BlockReport report_block(const RunResult& run, const BlockContext& context);

/// A block that was not run; `type` and `message` of its error.
BlockResult refused_block(std::size_t index, std::string language, CodeStatus status,
                          std::string type, std::string message, std::string hint = {});

/// Joins the texts of the blocks into those of the result, and makes all of them fit the policy.
void fit_result(CodeResult& result, const OutputPolicy& policy);

}  // namespace perijove
