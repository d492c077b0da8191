#include "model/restart_budget.hpp"

#include <cassert>

namespace perijove {

bool RestartBudget::allows(TimePoint now) const {
  if (options_.restarts_max == 0) return false;
  return spent_.size() < options_.restarts_max || now - spent_.front() >= options_.window;
}

void RestartBudget::spend(TimePoint now) {
  assert(allows(now));
  if (spent_.size() == options_.restarts_max) spent_.pop_front();
  spent_.push_back(now);
}

}  // namespace perijove
