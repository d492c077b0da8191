#pragma once

#include <cstdint>
#include <deque>
#include <unordered_set>

#include "base/bytes.hpp"

namespace perijove {

/// Remembers the last signatures of one sender, to refuse a message that is sent again: a signature
/// covers the message id, so that no honest sender repeats one (jupyter_client's Session does the
/// same and calls it "Duplicate Signature"). Keeps 64 bits of each.
class ReplayGuard {
 public:
  explicit ReplayGuard(std::size_t history_max) : history_max_(history_max) {}

  /// Whether this signature is new; remembers it. The empty signature of an unsigned connection is
  /// always new.
  bool admit(ByteView signature);

 private:
  std::size_t history_max_;
  std::unordered_set<std::uint64_t> seen_;
  std::deque<std::uint64_t> order_;
};

}  // namespace perijove
