#include "engine/channels.hpp"

#include <cassert>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace perijove {

Result<std::unique_ptr<KernelChannels>> KernelChannels::open(Shard& shard,
                                                             const Endpoints& endpoints,
                                                             SlowSubscriber slow_subscriber,
                                                             Handlers handlers) {
  auto signer = Signer::create(endpoints.key, endpoints.signature_scheme);
  if (!signer) return signer.error();
  std::unique_ptr<KernelChannels> channels;
  try {
    channels.reset(
        new KernelChannels(shard, std::move(*signer), slow_subscriber, std::move(handlers)));
  } catch (const std::exception& fault) {  // of libzmq or Asio: out of descriptors, mostly
    return Error{Code::resource_exhausted,
                 std::string("cannot make the sockets to the kernel: ") + fault.what()};
  }
  const std::pair<Channel, const std::string*> all[] = {{Channel::iopub, &endpoints.iopub},
                                                        {Channel::shell, &endpoints.shell},
                                                        {Channel::control, &endpoints.control},
                                                        {Channel::stdin_, &endpoints.stdin_}};
  for (const auto& [channel, endpoint] : all) {
    auto& socket = channels->socket(channel);
    if (auto connected = socket->connect(*endpoint); !connected) return connected.error();
    KernelChannels* const self = channels.get();  // owns the socket, so it outlives its callbacks
    socket->start([self, channel = channel](auto& frames) { self->receive(channel, frames); },
                  [self] { self->handlers_.on_turn_end(); });
  }
  return channels;
}

// shell and stdin carry one routing id, because a kernel sends its input_request to the identity
// that the execute_request came from.
KernelChannels::KernelChannels(Shard& shard, Signer signer, SlowSubscriber slow_subscriber,
                               Handlers handlers)
    : signer_(std::move(signer)),
      replays_(limits::kReplayHistoryMax),
      handlers_(std::move(handlers)) {
  const std::string identity = make_uuid();
  shell_ = std::make_unique<ZmqSocket>(shard, zmq::socket_type::dealer, identity);
  control_ = std::make_unique<ZmqSocket>(shard, zmq::socket_type::dealer, identity);
  stdin_ = std::make_unique<ZmqSocket>(shard, zmq::socket_type::dealer, identity);
  const int queued_max =
      slow_subscriber == SlowSubscriber::wait ? limits::kQueuedOutputsMax : 0;
  iopub_ = std::make_unique<ZmqSocket>(shard, zmq::socket_type::sub, "", queued_max);
}

std::unique_ptr<ZmqSocket>& KernelChannels::socket(Channel channel) {
  switch (channel) {
    case Channel::shell:
      return shell_;
    case Channel::control:
      return control_;
    case Channel::stdin_:
      return stdin_;
    case Channel::iopub:
    case Channel::heartbeat:
      break;
  }
  return iopub_;
}

bool KernelChannels::send(Channel channel, const SignedParts& parts,
                          std::span<const ByteView> buffers,
                          const std::shared_ptr<const void>& owner) {
  assert(channel != Channel::iopub && channel != Channel::heartbeat);
  const std::string signature = signer_.sign(parts);
  out_.clear();
  out_.push_back({kDelimiter, nullptr});
  out_.push_back({signature, nullptr});
  for (const ByteView part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
    out_.push_back({part, owner});
  }
  for (const ByteView buffer : buffers) out_.push_back({buffer, owner});
  const bool sent = socket(channel)->send(out_);
  out_.clear();  // no share outlives the call
  return sent;
}

void KernelChannels::receive(Channel channel, std::vector<zmq::message_t>& frames) {
  views_.clear();
  std::size_t size = 0;
  for (const zmq::message_t& frame : frames) {
    views_.emplace_back(static_cast<const char*>(frame.data()), frame.size());
    size += frame.size();
  }
  const auto split = split_frames(views_);
  if (!split) {
    if (++counters_.rejected_frames == 1) {
      log::warning("kernel_message_refused", {{"channel", std::string(to_string(channel))},
                                              {"reason", "not framed as a Jupyter message"}});
    }
    return;
  }
  const auto verified = signer_.verify(split->signature, split->parts);
  if (!verified) {
    if (++counters_.rejected_signatures == 1) {
      log::warning("kernel_message_refused",
                   {{"channel", std::string(to_string(channel))}, {"reason", "wrong signature"}});
    }
    return;
  }
  if (!replays_.admit(split->signature)) {
    ++counters_.rejected_replays;
    return;
  }
  if (size <= limits::kCopyMessageBytesMax) {
    handlers_.on_message(Message::copy(channel, **verified, split->buffers));
    return;
  }
  // The views point into the frames, and moving the vector does not move its elements.
  auto kept = std::make_shared<std::vector<zmq::message_t>>(std::move(frames));
  frames.clear();
  handlers_.on_message(Message::share(channel, **verified, split->buffers, std::move(kept)));
}

}  // namespace perijove
