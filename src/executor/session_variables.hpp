#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "executor/code_session.hpp"

namespace perijove {

/// Asks the Python of a session about its variables, between its executions: a request of
/// code/python/variables.py, which says what they are, and its answer without `ok`. What it asks
/// for is subject to the session's policies as blocks of code are; expressions, being code, are
/// validated, too, and warnings about them come as `warnings` of the answer.
///
/// Errors: not_found (no such variable), invalid_argument, permission_denied (a policy; nothing was
/// evaluated), aborted (something runs), deadline_exceeded, failed_precondition (the session has
/// ended), unimplemented (it speaks no Python), unavailable.
void ask_about_variables(const std::shared_ptr<CodeSession>& session, nlohmann::json request,
                         std::function<void(Result<nlohmann::json>)> done);

}  // namespace perijove
