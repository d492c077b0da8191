#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "code/profiles.hpp"
#include "io/child_process.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {

/// How blocks of a language are run that has no kernel: each is saved and given to a program, by
/// the session's bash kernel, so that the same limits and isolation hold for it. No state but
/// files.
struct LanguageProgram {
  std::string
      executable;  ///< Absolute, or a name that PATH finds; empty: the language has a kernel.
  std::string extension;  ///< Of the files that its blocks are saved as: `.rb`; empty: as usual.
};

/// What a session permits, besides what each request asks for.
struct SessionPolicies {
  /// Canonical names; empty: every language that a kernel speaks.
  std::vector<std::string> languages;
  std::map<std::string, std::string> kernels;  ///< Language -> kernelspec, where not found by name.
  std::map<std::string, LanguageProgram> programs;  ///< By language.
  std::map<std::string, bool> execution;  ///< Language -> false: blocks are saved, not run.
  bool sanitize = false;  ///< Shell blocks that delete, overwrite disks or multiply are not run.
  /// Blocks run in the small language of restricted mode, each by itself, and no kernel is started.
  /// Advisory: a guard rail, not a boundary.
  bool restricted = false;
  bool off = false;      ///< No block runs; each is refused.
  std::string profile;   ///< Name of a resource profile; empty: none.
  ProcessLimits limits;  ///< Of each kernel's process.

  bool allows(const std::string& language) const;
  bool runs(const std::string& language) const;
  /// The program that runs its blocks; nullptr: a kernel does.
  const LanguageProgram* program_of(const std::string& language) const;
  /// Of the file of a block that names none, with its dot.
  std::string extension_of(const std::string& language) const;
};

/// What is made ready before the first block of a session runs.
struct SessionSetupOptions {
  std::string functions = "[]";           ///< JSON text, as kFunctionsScript takes it.
  std::string module = "functions";       ///< Of those functions: `MODULE.py` in the directory.
  std::vector<std::string> requirements;  ///< What pip installs, for this session alone.
  std::string virtual_env;  ///< Absolute path of a Python environment, as the kernel sees it.
  /// Kernels of the session are isolated: nothing that its client brings runs beside them.
  bool isolated = false;
  /// They see other files than those of this machine under the same paths.
  bool is_elsewhere = false;
  /// The session's kernel is a program with a Python of its own.
  bool has_own_python = false;
  /// What a Python must have that is to run the session's kernel; empty: nothing.
  std::string kernel_module = "ipykernel_launcher";

  bool has_functions() const { return functions != "[]"; }
  bool needed() const { return has_functions() || !requirements.empty() || !virtual_env.empty(); }
};

/// The names of the fields that the next functions read.
inline const std::vector<std::string> kSessionPolicyFields = {
    "languages", "execution_policies", "sanitize",         "mode",         "profile",
    "limits",    "functions",          "functions_module", "requirements", "virtual_env"};

void read_session_policies(JsonFields& fields, SessionPolicies& policies);
void read_session_setup(JsonFields& fields, SessionSetupOptions& setup);

/// The policies as a session shows them.
nlohmann::json to_json(const SessionPolicies& policies);

}  // namespace perijove
