#pragma once

#include <cstddef>
#include <deque>

#include "base/time.hpp"

namespace perijove {

struct RestartBudgetOptions {
  /// Automatic restarts within any `window`. 5, as jupyter_client's restart_limit; 0 allows none.
  std::size_t restarts_max = 5;

  /// 60 s. jupyter_client counts consecutive restarts without 10 s of calm between them instead,
  /// which lets a kernel that crashes every 11 s restart for ever, each time losing its state;
  /// a sliding window bounds both the fast loop and the slow one.
  Duration window = std::chrono::seconds(60);
};

/// How often a kernel may still be restarted without anybody asking for it.
class RestartBudget {
 public:
  explicit RestartBudget(RestartBudgetOptions options) : options_(options) {}

  /// Whether one more restart at `now` stays within the budget.
  bool allows(TimePoint now) const;

  /// Takes one restart out of the budget. Requires allows(now); `now` never goes backwards.
  void spend(TimePoint now);

  /// Forgets the past: somebody restarted the kernel on purpose.
  void forgive() { spent_.clear(); }

  const RestartBudgetOptions& options() const { return options_; }

 private:
  RestartBudgetOptions options_;
  std::deque<TimePoint> spent_;  ///< At most restarts_max, oldest first.
};

}  // namespace perijove
