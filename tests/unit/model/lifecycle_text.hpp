#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "model/lifecycle.hpp"

namespace perijove::lifecycle {

/// One action in the words of the tests: "launch 1", "announce starting", "complete 7",
/// "complete 7: aborted".
inline std::string text_of(const Action& action) {
  return std::visit(
      [](const auto& what) -> std::string {
        using What = std::decay_t<decltype(what)>;
        const auto numbered = [](const char* name, Generation generation) {
          return name + std::to_string(generation);
        };
        if constexpr (std::is_same_v<What, Launch>) {
          return numbered("launch ", what.generation);
        } else if constexpr (std::is_same_v<What, CancelLaunch>) {
          return numbered("cancel ", what.generation);
        } else if constexpr (std::is_same_v<What, Connect>) {
          return "connect";
        } else if constexpr (std::is_same_v<What, SendKernelInfo>) {
          return "kernel_info";
        } else if constexpr (std::is_same_v<What, SendShutdown>) {
          return what.restart ? "shutdown restart" : "shutdown";
        } else if constexpr (std::is_same_v<What, SignalTerminate>) {
          return numbered("terminate ", what.generation);
        } else if constexpr (std::is_same_v<What, SignalKillGroup>) {
          return numbered("kill ", what.generation);
        } else if constexpr (std::is_same_v<What, ProcessGone>) {
          return numbered("gone ", what.generation) + (what.wanted ? " as wanted" : "");
        } else if constexpr (std::is_same_v<What, Announce>) {
          return "announce " + std::string(perijove::to_string(what.state));
        } else if constexpr (std::is_same_v<What, Complete>) {
          std::string text = "complete " + std::to_string(what.id);
          if (what.error) text += ": " + std::string(perijove::to_string(what.error->code));
          if (what.kernel_failed) text += " by the kernel";
          return text;
        } else {
          static_assert(std::is_same_v<What, Cleanup>);
          return "cleanup";
        }
      },
      action);
}

inline std::vector<std::string> texts_of(const std::vector<Action>& actions) {
  std::vector<std::string> texts;
  for (const Action& action : actions) texts.push_back(text_of(action));
  return texts;
}

}  // namespace perijove::lifecycle
