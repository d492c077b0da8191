#include "model/execution_state.hpp"

namespace perijove {

std::string_view to_string(ExecutionState state) {
  switch (state) {
    case ExecutionState::starting:
      return "starting";
    case ExecutionState::idle:
      return "idle";
    case ExecutionState::busy:
      return "busy";
    case ExecutionState::restarting:
      return "restarting";
    case ExecutionState::dead:
      return "dead";
  }
  return "dead";
}

std::optional<ExecutionState> parse_execution_state(std::string_view text) {
  for (const ExecutionState state :
       {ExecutionState::starting, ExecutionState::idle, ExecutionState::busy,
        ExecutionState::restarting, ExecutionState::dead}) {
    if (text == to_string(state)) return state;
  }
  return std::nullopt;
}

}  // namespace perijove
