#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "code/text_budget.hpp"
#include "executor/request_policies.hpp"
#include "perijove/code_result.hpp"
#include "perijove/policies.hpp"
#include "perijove/result.hpp"

namespace perijove {

struct RunResult;  // engine/runner.hpp

/// How a result is made to fit its reader.
struct OutputPolicy {
  TextBudget budget;  ///< Of stdout, stderr and the combined output, each.
  ImagePolicy images = ImagePolicy::file;
  std::size_t inline_image_bytes_max = 512 * 1024;
  std::uint32_t inline_image_pixels_max = 1568;  ///< Of its longer side.
  bool silence_pip = true;  ///< See silence_pip(); what is saved and told is the code as it came.
};

/// One request to run code in a session.
struct CodeRequest {
  std::vector<CodeBlock> blocks;
  bool stop_on_error = true;
  /// What validation and approval look at in place of `blocks`, when those are code of ours; empty:
  /// the blocks.
  std::vector<CodeBlock> judged_as;

  std::optional<Duration> timeout = std::chrono::seconds(60);  ///< Of each block; nullopt: none.
  std::optional<Duration> total_timeout;     ///< Of all blocks together, without the waiting.
  std::optional<Duration> quiet_timeout;     ///< Longest silence of a block.
  Duration grace = std::chrono::seconds(5);  ///< For each of the two interrupts.
  HardLimit hard_limit = HardLimit::kill_restart;

  /// Set while these blocks run, then as before. Python and bash only.
  std::map<std::string, std::string> env;
  /// Code that asks for input waits for answer_input(); otherwise it fails.
  bool interactive = false;
  bool silent = false;
  bool store_history = true;
  bool capture_files = true;  ///< Tell which files the code has written.

  bool checkpoint_before = false;  ///< Take one before the first block.

  bool reject_when_busy = false;       ///< Instead of waiting behind other requests.
  std::optional<Duration> queue_wait;  ///< Longest wait behind them; nullopt: any.
  /// Whether the loss of the connection that waits for the result cancels it.
  bool cancel_on_disconnect = true;

  OutputPolicy output;
  RequestPolicies policies;
  /// Gets what each block gave as soon as it has ended, for notebooks of it. May be null.
  std::function<void(const RunResult&)> on_block;

  std::string idempotency_key;  ///< The same key gives the same execution; empty: a new one.
};

/// Whether a block can be run: invalid_argument when its entry point is none of its files, or when
/// it has code besides one.
Result<void> check_block(const CodeBlock& block);

/// Reads the JSON of a request (`blocks` or `code` or `markdown`, `timeout`, `env`, `output` ...;
/// docs/executors.md has them all) over the session's defaults. invalid_argument names the field.
/// Unknown fields are errors that say what may have been meant.
Result<CodeRequest> read_code_request(const nlohmann::json& json, const CodeRequest& defaults);

}  // namespace perijove
