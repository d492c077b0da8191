#include "model/cull.hpp"

#include <algorithm>

namespace perijove {

std::optional<TimePoint> cull_at(const CullOptions& options, const CullView& view) {
  const Duration timeout = view.kernelspec_idle_timeout.value_or(options.idle_timeout);
  if (timeout <= Duration::zero()) return std::nullopt;
  if (view.connections > 0 && !options.connected) return std::nullopt;
  if (!view.idle_since && !options.busy) return std::nullopt;

  TimePoint since = view.idle_since.value_or(view.last_activity);
  if (view.last_disconnect) since = std::max(since, *view.last_disconnect);
  // A timeout of centuries means never, and must not wrap around.
  if (timeout > TimePoint::max() - since) return std::nullopt;
  return since + timeout;
}

}  // namespace perijove
