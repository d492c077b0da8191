#pragma once

#include <functional>
#include <memory>

#include "io/zmq_socket.hpp"
#include "protocol/message.hpp"
#include "protocol/replay_guard.hpp"
#include "protocol/signer.hpp"
#include "provision/provisioner.hpp"

namespace perijove {

/// The gateway's one set of sockets to one process of a kernel: shell, control and stdin (DEALER)
/// and iopub (SUB). Signs what goes out; verifies what comes in before anything reads it. Shard
/// thread only; destroying it closes the sockets at once.
class KernelChannels {
 public:
  struct Handlers {
    /// A verified message.
    std::function<void(MessagePtr)> on_message;
    /// After each run of messages, and when sending may succeed again.
    std::function<void()> on_turn_end;
  };
  struct Counters {
    std::uint64_t rejected_signatures = 0;
    std::uint64_t rejected_frames = 0;
    std::uint64_t rejected_replays = 0;
  };

  /// What a kernel does with outputs that its subscriber does not take yet.
  enum class SlowSubscriber {
    lose,  ///< Most drop them: all that comes is taken in, however much.
    wait,  ///< It waits: no more is taken in than limits::kQueuedOutputsMax.
  };

  /// Begins to connect. Errors: an unknown signature scheme, an endpoint libzmq refuses.
  static Result<std::unique_ptr<KernelChannels>> open(Shard& shard, const Endpoints& endpoints,
                                                      SlowSubscriber slow_subscriber,
                                                      Handlers handlers);

  /// Sends on shell, control or stdin; parts and buffers are kept by `owner` when they are large,
  /// copied otherwise. False when the kernel's queue is full; nothing was sent then.
  bool send(Channel channel, const SignedParts& parts, std::span<const ByteView> buffers,
            const std::shared_ptr<const void>& owner);

  const Counters& counters() const { return counters_; }

 private:
  KernelChannels(Shard& shard, Signer signer, SlowSubscriber slow_subscriber, Handlers handlers);

  std::unique_ptr<ZmqSocket>& socket(Channel channel);
  void receive(Channel channel, std::vector<zmq::message_t>& frames);

  Signer signer_;
  ReplayGuard replays_;
  Handlers handlers_;
  Counters counters_;
  std::vector<ByteView> views_;
  std::vector<OutFrame> out_;
  std::unique_ptr<ZmqSocket> shell_;
  std::unique_ptr<ZmqSocket> control_;
  std::unique_ptr<ZmqSocket> stdin_;
  std::unique_ptr<ZmqSocket> iopub_;
};

}  // namespace perijove
