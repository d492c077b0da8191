#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "executor/code_session.hpp"

namespace perijove {

/// Packages that are to be installed for the Python of a session, by its own pip.
struct Installation {
  std::vector<std::string> packages;  ///< As pip takes them; no options, no files, no addresses.
  bool upgrade = false;
  Duration timeout = std::chrono::minutes(10);
};

/// The request that installs them: code of ours in the session's Python, so that it waits in line,
/// may be cancelled, and is subject to the session's policies. Whoever approves is shown
/// `pip install ...`. In an isolated session they get into its work directory, and its Python
/// kernels look there from then on. invalid_argument: one is no package; permission_denied: Python
/// does not run in this session.
Result<CodeRequest> installation_request(CodeSession& session, const Installation& what);

/// The expression that has kPackagesScript do something in a Python kernel, whose names stay as
/// they are: `install` or `prepare`, which say there what they take.
std::string packages_expression(std::string_view function, const nlohmann::json& request);

/// What became of it: `installed` (name and version each), `failed`, `log_tail`. Errors:
/// deadline_exceeded, aborted (cancelled), permission_denied (a policy), not_found (no kernel
/// speaks Python), unavailable (the kernel died), internal.
Result<nlohmann::json> read_installed(const CodeResult& result);

}  // namespace perijove
