#pragma once

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "executor/code_session.hpp"

namespace perijove {

/// What a session has run, as others read it. Values: nothing here asks the session.

/// An array of objects: execution_id, language, code, status, execution_count and nbformat's
/// outputs, null where they were too large to keep.
nlohmann::json history_json(const std::deque<HistoryEntry>& history);

/// The kernel that a notebook is for.
struct NotebookKernel {
  std::string name;
  std::string display_name;
  std::string language;  ///< Canonical.
};

/// A notebook file (nbformat 4.5) with a code cell for each block. Blocks in another language than
/// the kernel's become what runs, or shows, in it: Bash in an IPython a cell that begins with
/// `%%bash`, any other a markdown cell with the code in a fence.
std::string history_notebook(const std::deque<HistoryEntry>& history, const NotebookKernel& kernel);

/// A Python script whose cells begin with `# %%`, as editors and Jupytext have them. Blocks in
/// other languages are comments in it: `# %% language="bash"`.
std::string history_script(const std::deque<HistoryEntry>& history);

}  // namespace perijove
