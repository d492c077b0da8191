#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "provision/docker/engine.hpp"

namespace perijove::docker {

/// Splits a stream of JSON texts, one a line. A line beyond kLineBytesMax is left out.
class JsonLines {
 public:
  static constexpr std::size_t kLineBytesMax = 1024 * 1024;
  /// Calls `on_line` for each line that is whole.
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line);

 private:
  std::string partial_;
  bool skipping_ = false;
};

/// Who wants to know about one container.
class ContainerWatcher {
 public:
  virtual ~ContainerWatcher() = default;
  /// It has ended; with its exit code when the daemon said one.
  virtual void on_died(std::optional<int> exit_code) = 0;
  /// Something in it was killed because its memory had run out.
  virtual void on_out_of_memory() {}
  /// The daemon was away and is back: what happened meanwhile is not told.
  virtual void on_daemon_back() = 0;
};

/// The daemon's events about containers with one label, on one connection for all of them, again
/// after each loss of it. An outage says nothing about containers: they may well run on.
class ContainerEvents : public std::enable_shared_from_this<ContainerEvents> {
 public:
  ContainerEvents(Shard& shard, std::shared_ptr<Engine> engine, std::string label)
      : shard_(shard), engine_(std::move(engine)), label_(std::move(label)), timer_(shard.loop()) {}

  /// Events of the container with this id, until the watcher is gone.
  void watch(const std::string& container_id, std::weak_ptr<ContainerWatcher> watcher);
  void forget(const std::string& container_id) { watchers_.erase(container_id); }

 private:
  void connect();
  void read_event(std::string_view line);
  void lost();

  Shard& shard_;
  std::shared_ptr<Engine> engine_;
  std::string label_;
  boost::asio::steady_timer timer_;
  std::map<std::string, std::weak_ptr<ContainerWatcher>> watchers_;
  std::shared_ptr<void> stream_;
  JsonLines lines_;
  std::string since_;  // of the last event, "seconds.nanoseconds"
  Duration pause_{};
  bool reconnecting_ = false;
};

}  // namespace perijove::docker
