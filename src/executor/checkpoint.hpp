#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "perijove/result.hpp"

namespace perijove {

/// A name that was left out, and why.
struct NotCarried {
  std::string name;
  std::string reason;
};

/// The variables of one kernel, in a checkpoint.
struct SavedNamespace {
  std::string language = {};
  std::string kernel = {};   ///< The kernelspec's name.
  std::string problem = {};  ///< Why nothing of it was saved; empty when something was.
  std::string file = {};     ///< Its name in the checkpoint's directory.
  std::string sha256 = {};
  std::uint64_t bytes = 0;
  std::vector<std::string> saved = {};
  std::vector<NotCarried> skipped = {};
};

/// Files and variables of a session at one moment, on disk.
struct Checkpoint {
  std::string id;
  std::string label;
  bool keep = false;       ///< Stays when its session ends, and when the gateway does.
  bool automatic = false;  ///< Nobody asked for this one.
  std::string session_id;
  std::string created;  ///< As format_utc has it.
  double duration_s = 0;
  std::string kernel;
  std::string language;
  std::string isolation;        ///< What its code was kept in.
  std::string config = "null";  ///< JSON text: what makes such a session again.
  std::uint64_t file_bytes = 0;
  std::uint64_t files = 0;  ///< Links and directories count as well.
  std::vector<std::string> files_left_out;
  std::vector<SavedNamespace> namespaces;

  std::string directory;  ///< Where it lies; not told.

  std::uint64_t bytes() const;
  /// `namespace+files`, or `files` when no variables are in it.
  std::string method() const;
  /// What it lacks, for people.
  std::vector<std::string> warnings() const;
};

/// As REST shows it.
nlohmann::json to_json(const Checkpoint& checkpoint);
nlohmann::json to_json(const NotCarried& left_out);

/// What is kept beside a checkpoint's files, and read by another gateway later. Errors: data_loss.
std::string manifest_of(const Checkpoint& checkpoint);
Result<Checkpoint> read_manifest(const std::string& text, std::string directory);

/// What came of restoring one.
struct Restoration {
  struct Namespace {
    std::string language;
    std::string problem = {};  ///< Why nothing of it was to be had; empty when something was.
    std::vector<std::string> restored = {};
    std::vector<NotCarried> failed = {};
  };
  std::string checkpoint_id;
  std::uint64_t files = 0;
  std::vector<Namespace> namespaces;
};
nlohmann::json to_json(const Restoration& restoration);

}  // namespace perijove
