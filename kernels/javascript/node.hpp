#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/server.hpp"
#include "guest/descriptor.hpp"
#include "guest/outputs.hpp"
#include "guest/process.hpp"

namespace perijove::kernels::javascript {

/// What came of a request to node.
struct Answer {
  nlohmann::json done;                     ///< as host.js says it; null when node has ended
  bool interrupted = false;                ///< an interrupt was wanted meanwhile
  std::optional<guest::Process::End> end;  ///< node has ended; the next request gets a fresh one
};

/// One long-lived node that runs host.js: requests and answers are lines of JSON on descriptors of
/// their own.
///
/// Threads: the main thread only.
class Node {
 public:
  using Display = std::function<void(const nlohmann::json& bundle)>;

  /// Nothing is started yet. `node` is the path of the program; `display` is called for each rich
  /// output, after the text before it.
  Node(std::string node, Server& server, guest::Outputs& outputs, Display display);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Throws std::exception when node cannot be started.
  Answer ask(const nlohmann::json& request);

  /// Kills node and everything that it has started.
  void stop();

 private:
  void start();
  void interrupt();
  void repeat_lost_interrupt();
  /// The answer, once it is there.
  std::optional<nlohmann::json> read_answers();
  std::optional<nlohmann::json> take_line(const std::string& line);

  const std::string node_;
  Server& server_;
  guest::Outputs& outputs_;
  const Display display_;

  bool alive_ = false;
  guest::Process process_;
  guest::Descriptor requests_;
  guest::Descriptor answers_;
  guest::Descriptor interrupts_;
  std::string partial_answer_;
  int repeats_left_ = 0;  ///< of the signal that an interrupt sends
  long long interrupted_at_ = 0;
};

}  // namespace perijove::kernels::javascript
