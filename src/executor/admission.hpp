#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "executor/python_helper.hpp"
#include "executor/request_policies.hpp"
#include "perijove/code_result.hpp"

namespace perijove {

/// Code that is to be let in, with what decides about it.
struct AdmissionRequest {
  std::vector<CodeBlock> blocks;  ///< Each with its canonical language.
  Validation validation;
  Approval approval;
  bool sanitize = false;  ///< See SessionPolicies.

  /// Whether anything has to be decided at all.
  bool needed() const;
};

/// What was decided about it.
struct AdmissionVerdict {
  /// Why the code is not run.
  struct Refusal {
    std::size_t block = 0;
    std::string type;  ///< `validation_failed` or `not_approved`.
    std::string message;
    std::optional<int> line = {};
    std::string hint = {};
  };
  std::optional<Refusal> refusal;
  std::vector<std::string> warnings;
};

/// Decides whether the code of one request runs: looks at all of it, and then asks whoever has to
/// approve it. Shard thread only; held by shared_ptr. Dropping it ends it without a verdict.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  struct Hooks {
    /// Somebody should look at the code, and answer().
    std::function<void()> on_ask;
    /// Once, from the loop; the last call.
    std::function<void(AdmissionVerdict)> done;
  };

  Admission(Shard& shard, PythonHelper& python, AdmissionRequest request, Hooks hooks);

  void begin();
  bool waits_for_approval() const { return asked_; }
  /// The answer of whoever approves; false when nobody was asked.
  bool answer(bool approved, std::string_view reason);

 private:
  // One text to look at.
  struct Piece {
    std::size_t block;
    std::string_view language;
    std::string_view code;
  };

  void check_next();
  void check_tree(const Piece& piece);
  void take_tree(const Piece& piece, const Result<nlohmann::json>& answer);
  void found(const Piece& piece, bool denied, const std::string& message, std::optional<int> line);
  void ask();
  void refuse(AdmissionVerdict::Refusal refusal);
  void end();

  Shard& shard_;
  PythonHelper& python_;
  AdmissionRequest request_;
  Hooks hooks_;
  std::vector<Piece> pieces_;
  std::size_t next_piece_ = 0;
  std::shared_ptr<void> running_;  // the checker's process
  boost::asio::steady_timer timer_;
  bool asked_ = false;
  AdmissionVerdict verdict_;
};

}  // namespace perijove
