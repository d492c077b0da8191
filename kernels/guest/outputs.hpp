#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/server.hpp"
#include "common/wakeup.hpp"
#include "guest/descriptor.hpp"

namespace perijove::kernels::guest {

/// Carries what a guest process writes to its descriptors into `stream` messages, as it comes, from
/// a thread of its own: what background jobs write between two blocks is published too, as a part
/// of the last block.
///
/// Bytes are published as they are, cut only between characters; what is not UTF-8 becomes U+FFFD.
/// At most one chunk of each stream is held here.
///
/// Threads: the main thread only, but for the thread inside.
class Outputs {
 public:
  /// Sees every text of a guest before it is published; called by both threads, never by two at
  /// once.
  using Listener = std::function<void(std::string_view stream, std::string_view text)>;

  explicit Outputs(Server& server, Listener listener = {});
  ~Outputs();
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;

  struct Source {
    Descriptor read_end;      ///< does not block
    std::string_view stream;  ///< "stdout" or "stderr"
  };

  /// Reads these from now on; what the former ones still hold is published first.
  void attach(std::vector<Source> sources);

  /// What comes from now on belongs to the request that is running.
  void begin_block();

  /// Publishes all that was written before this call, so that a reply can follow it.
  void catch_up();

  /// Publishes a text of the kernel's own, after what came before it.
  void say(std::string_view stream, std::string_view text);

 private:
  struct Watched {
    Source source;
    std::string held_back;  ///< the beginning of a character
  };

  void run(const std::stop_token& stop);
  /// One read: the number of bytes, 0 when no more will ever come, nullopt when none are there now.
  std::optional<std::size_t> forward(Watched& watched, std::size_t bytes_max);
  void catch_up_locked();
  void publish(std::string_view stream, std::string_view text);

  Server& server_;
  const Listener listener_;
  Wakeup changed_;
  std::mutex mutex_;
  std::vector<Watched> watched_;
  std::string request_header_ = "{}";
  std::string buffer_;
  std::jthread thread_;
};

}  // namespace perijove::kernels::guest
