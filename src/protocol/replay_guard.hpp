#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/bytes.hpp"

namespace perijove {

/// Remembers the last signatures of one sender, to refuse a message that is sent again: a signature
/// covers the message id, so that no honest sender repeats one (jupyter_client's Session does the
/// same and calls it "Duplicate Signature"). Keeps 64 bits of each.
class ReplayGuard {
 public:
  /// `history_max` is at least 1.
  explicit ReplayGuard(std::size_t history_max) : history_max_(history_max) {}

  /// Whether this signature is new; remembers it. The empty signature of an unsigned connection is
  /// always new.
  bool admit(ByteView signature);

 private:
  std::size_t slot_of(std::uint64_t start) const;
  void grow();
  void forget(std::uint64_t start);

  std::size_t history_max_;
  // A hash table with linear probing, at most half full; 0 is a free slot. Every message of a
  // kernel is looked up here, and in a std::unordered_set that was a tenth of what a message costs.
  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(16);
  std::deque<std::uint64_t> order_;  // the oldest first
};

}  // namespace perijove
