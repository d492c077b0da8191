#include "protocol/replay_guard.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace perijove {

bool ReplayGuard::admit(ByteView signature) {
  if (signature.empty()) return true;
  std::uint64_t start = 0;
  const ByteView digits = signature.substr(0, 16);  // hex: verified, so it always parses
  std::from_chars(digits.data(), digits.data() + digits.size(), start, 16);
  start = std::max<std::uint64_t>(start, 1);
  if (slots_[slot_of(start)] == start) return false;
  if (order_.size() == history_max_) {
    forget(order_.front());
    order_.pop_front();
  } else if (2 * order_.size() >= slots_.size()) {
    grow();
  }
  slots_[slot_of(start)] = start;
  order_.push_back(start);
  return true;
}

// Where it is, or where it belongs. A digest's bits are as good as a hash of them.
std::size_t ReplayGuard::slot_of(std::uint64_t start) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = start & mask;
  while (slots_[slot] != 0 && slots_[slot] != start) slot = (slot + 1) & mask;
  return slot;
}

void ReplayGuard::grow() {
  slots_.assign(2 * slots_.size(), 0);
  for (const std::uint64_t start : order_) slots_[slot_of(start)] = start;
}

void ReplayGuard::forget(std::uint64_t start) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = slot_of(start);
  slots_[slot] = 0;
  // What stands behind it may have been pushed there by it, and is looked for from its own slot on.
  while (slots_[slot = (slot + 1) & mask] != 0) {
    const std::uint64_t moved = std::exchange(slots_[slot], 0);
    slots_[slot_of(moved)] = moved;
  }
}

}  // namespace perijove
