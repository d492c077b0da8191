#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/file_descriptor.hpp"
#include "io/shard.hpp"
#include "perijove/result.hpp"

namespace perijove {

/// Our end of a fork server's socket: one JSON object a packet, as kernels/python/zygote.hpp says.
/// Shard thread only; held by shared_ptr. Dropping it closes the socket, without a word.
class ForkServerSocket : public std::enable_shared_from_this<ForkServerSocket> {
 public:
  struct Events {
    std::function<void(const nlohmann::json&)> on_packet;
    /// The server has closed its end. Once, and nothing after it.
    std::function<void()> on_closed;
    /// What it says is no JSON object: it is not to be spoken to any more. Likewise.
    std::function<void(std::string why)> on_nonsense;
  };

  /// Takes over a connected socket of type SOCK_SEQPACKET.
  static std::shared_ptr<ForkServerSocket> open(Shard& shard, FileDescriptor socket, Events events);

  /// Hands over what has come, sooner than the loop would: for a server that is known to have ended.
  void read_packets();
  bool is_open() const { return socket_.is_open(); }
  void close();

  /// Errors: resource_exhausted (more than a packet holds), unavailable (it takes nothing).
  Result<void> send(const nlohmann::json& packet, const std::vector<int>& descriptors = {});

 private:
  ForkServerSocket(Shard& shard, Events events);
  void wait();

  Shard& shard_;
  boost::asio::posix::stream_descriptor socket_;
  Events events_;
};

}  // namespace perijove
