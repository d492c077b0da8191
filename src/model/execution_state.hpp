#pragma once

#include <optional>
#include <ostream>
#include <string_view>

namespace perijove {

/// What a client sees of a kernel: `execution_state` of the kernel model and of iopub `status`.
/// Exactly these five: JupyterLab refuses a status message with any other (validate.ts).
enum class ExecutionState { starting, idle, busy, restarting, dead };

/// The protocol's spelling, which is the enumerator's own.
std::string_view to_string(ExecutionState state);

/// nullopt for any other text.
std::optional<ExecutionState> parse_execution_state(std::string_view text);

inline std::ostream& operator<<(std::ostream& out, ExecutionState state) {
  return out << to_string(state);
}

}  // namespace perijove
