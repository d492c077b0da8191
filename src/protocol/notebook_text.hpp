#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace perijove {

/// The steps between a notebook file and a notebook in memory, as nbformat takes them
/// (v4/rwbase.py, v4/nbjson.py). They expect a document whose cells have been checked.

/// Joins sources, texts and text data that a file holds as lists of lines.
void join_lines(nlohmann::json& document);
/// The reverse: every multi-line text becomes the list of its lines.
void split_lines(nlohmann::json& document);
/// Removes what files do not keep: signature, orig_nbformat, orig_nbformat_minor, trusted.
void strip_transient(nlohmann::json& document);
/// The text that Python's json.dumps gives with indent=1, sorted keys and ensure_ascii=False, and a
/// line break at its end.
std::string dump_notebook(const nlohmann::json& document);

}  // namespace perijove
