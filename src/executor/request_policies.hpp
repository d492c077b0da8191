#pragma once

#include <set>
#include <string>

#include "base/time.hpp"
#include "protocol/json_fields.hpp"

namespace perijove {

/// What is looked for in code before it runs. A guard rail, not a boundary.
struct Validation {
  enum class Mode {
    off,   ///< Nothing is looked at.
    warn,  ///< What is found becomes warnings.
    deny,  ///< Code in which something is denied is not run, nor is any other block of its request.
  } mode = Mode::off;
  /// `strict` and `standard` of the checker of syntax trees, for Python; or one of
  /// guard_policies(), for code in its language.
  std::string profile = "standard";
};

/// Whether somebody must agree before the code runs.
struct Approval {
  bool required = false;
  Duration wait = std::chrono::minutes(5);  ///< Then the answer is no.
};

/// Runs the blocks again, from the first, after a fault that was not theirs.
struct Retries {
  unsigned max = 0;
  /// `kernel_died`, `oom`, `kernel_start_failed`.
  std::set<std::string> on = {"kernel_died", "kernel_start_failed"};
};

/// Whether the answer of an earlier, equal request may stand for this one: when it found the
/// session's kernels fresh, as this one does, or when the code is declared pure.
struct Caching {
  bool wanted = false;
  std::string key = "auto";  ///< Other keys are the client's own addition to ours.
  bool pure = false;         ///< The code depends on nothing but itself, its files and variables.
  bool mark = false;         ///< Output of an earlier run begins with `[CACHED RESULT]`.
  Duration kept = std::chrono::hours(1);
};

/// What a request says about whether its code runs at all, and how often.
struct RequestPolicies {
  Validation validation;
  Approval approval;
  Retries retries;
  Caching cache;
};

/// Reads the fields `policy`, `approval`, `retries` and `cache` over what `policies` has.
void read_request_policies(JsonFields& fields, RequestPolicies& policies);

/// Whether that is a profile of Validation; not_found, with what may have been meant, otherwise.
Result<void> check_validation_profile(const std::string& name);

}  // namespace perijove
