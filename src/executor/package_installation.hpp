#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
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
/// `pip install ...`. invalid_argument: one is no package; permission_denied: Python does not run
/// in this session.
Result<CodeRequest> installation_request(const CodeSession& session, const Installation& what);

/// What became of it: `installed` (name and version each), `failed`, `log_tail`. Errors:
/// deadline_exceeded, aborted (cancelled), permission_denied (a policy), not_found (no kernel
/// speaks Python), unavailable (the kernel died), internal.
Result<nlohmann::json> read_installed(const CodeResult& result);

}  // namespace perijove
