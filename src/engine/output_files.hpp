#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/work_dir.hpp"
#include "perijove/result.hpp"
#include "protocol/outputs.hpp"

namespace perijove {

/// A file that an output was saved as.
struct SavedFile {
  std::string path;  ///< Absolute.
  std::string mime_type;
  std::size_t block = 0;   ///< Number of the code block, from 1.
  std::size_t output = 0;  ///< Position among the block's outputs, from 0.
};

/// What the files of a notebook or program are named after: the file name without directory and
/// extension, with everything but ASCII letters, digits, `-` and `_` made `_`, at most 100 bytes.
std::string output_stem(std::string_view file_name);

/// Where one representation of one output goes: `STEM-BBB-OO.EXT`, with the number of the code
/// block from 1 and the position of the output in it from 0: `01-sales-analysis-003-00.png`. So the
/// same notebook gives the same names whenever it runs, and nothing that code says gets into a
/// name. `same` counts the files of this output that have the same extension already: the second is
/// `...-00-2.json`.
std::string output_file_name(std::string_view stem, std::size_t block, std::size_t output,
                             std::string_view extension, std::size_t same = 0);

/// Saves what the outputs display, every representation but text/plain and references to widgets,
/// which mean nothing outside their kernel. Goes on after a failure and returns what was saved; the
/// first failure goes to `error`: that of the write, or data_loss for data that is not the base64
/// it should be.
std::vector<SavedFile> save_outputs(const WorkDir& directory, std::string_view stem,
                                    std::size_t block, const std::vector<Output>& outputs,
                                    Result<void>& error);

/// The same for one display at `position` among the outputs of its block.
std::vector<SavedFile> save_display(const WorkDir& directory, std::string_view stem,
                                    std::size_t block, std::size_t position,
                                    const DisplayOutput& display, Result<void>& error);

/// Whether save_outputs would write anything for it.
bool has_files(const Output& output);

}  // namespace perijove
