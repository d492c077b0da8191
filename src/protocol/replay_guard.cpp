#include "protocol/replay_guard.hpp"

#include <charconv>

namespace perijove {

bool ReplayGuard::admit(ByteView signature) {
  if (signature.empty()) return true;
  std::uint64_t start = 0;
  const ByteView digits = signature.substr(0, 16);  // hex: verified, so it always parses
  std::from_chars(digits.data(), digits.data() + digits.size(), start, 16);
  if (!seen_.insert(start).second) return false;
  order_.push_back(start);
  if (order_.size() > history_max_) {
    seen_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

}  // namespace perijove
