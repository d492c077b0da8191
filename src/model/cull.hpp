#pragma once

#include <cstddef>
#include <optional>

#include "base/time.hpp"

namespace perijove {

/// When an idle kernel is ended without anybody asking; jupyter_server's options of these names.
struct CullOptions {
  /// cull_idle_timeout. Zero or less: never, the default, for state is what kernels are for.
  Duration idle_timeout = Duration::zero();
  /// cull_connected. Whether open websockets do not protect a kernel. false.
  bool connected = false;
  /// cull_busy. Whether running code does not protect a kernel. false.
  bool busy = false;
};

/// What culling looks at. `Activity` knows the first two.
struct CullView {
  std::optional<TimePoint> idle_since = std::nullopt;  ///< nullopt unless idle or dead.
  TimePoint last_activity = {};  ///< Counts instead when options.busy and not idle.
  std::size_t connections = 0;   ///< Open websockets.
  /// When the last websocket was closed. The clock starts anew there: jupyter_server looks only
  /// every 300 s, we to the millisecond, and reloading a page must not cost the kernel.
  std::optional<TimePoint> last_disconnect = std::nullopt;
  /// metadata.cull_idle_timeout of the kernelspec; zero or less: never cull these.
  std::optional<Duration> kernelspec_idle_timeout = std::nullopt;
};

/// When the kernel is to be culled if nothing changes; nullopt: not at all. Ask again whenever a
/// field of `view` changed, and cull when that time has come:
///
///     auto at = cull_at(options, view);
///     if (at && *at <= now) feed(StopRequested{id});   // reason "culled"
///     else timer.expires_at(at);
std::optional<TimePoint> cull_at(const CullOptions& options, const CullView& view);

}  // namespace perijove
