#include <boost/asio/post.hpp>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/kernel.hpp"
#include "protocol/header.hpp"
#include "protocol/json_scan.hpp"

namespace perijove {
namespace {

// The value of one string member of an object, without quotes; empty when it has none.
ByteView text_member(ByteView object, ByteView key) {
  JsonMembers members(object);
  while (const auto member = members.next()) {
    if (member->key != key) continue;
    const ByteView raw = member->value;
    return raw.size() >= 2 && raw.front() == '"' ? raw.substr(1, raw.size() - 2) : ByteView();
  }
  return {};
}

std::size_t index_of(Channel channel) {
  return channel == Channel::shell ? 0 : channel == Channel::control ? 1 : 2;
}

}  // namespace

Attachment::~Attachment() { kernel_->detach(reader_, listener_); }
Journal::Read Attachment::read() { return kernel_->audience_.read(reader_); }
void Attachment::acknowledge(std::uint64_t position) {
  kernel_->audience_.acknowledge(reader_, position);
}
void Attachment::trim() { kernel_->audience_.trim(); }
Attachment::Submission Attachment::submit(const ClientMessage& message,
                                          const std::shared_ptr<const void>& owner) {
  return kernel_->submit(reader_, message, owner);
}

std::unique_ptr<Attachment> Kernel::attach(std::string session_id, KernelListener& listener) {
  const ReaderId reader = audience_.attach(std::move(session_id), listener);
  publish_soon();
  set_timer();
  return std::make_unique<Attachment>(shared_from_this(), reader, listener);
}

void Kernel::detach(ReaderId reader, const KernelListener& listener) {
  audience_.detach(reader, listener, shard_.now());
  last_disconnect_ = shard_.now();
  set_timer();
}

// ---- from the kernel ----

void Kernel::receive(MessagePtr message) {
  ++messages_received_;
  const auto header = peek_header(message->parts().header);
  const auto parent = peek_header(message->parts().parent_header);
  if (!header || !parent || header->msg_type.empty()) {
    log::warning("kernel_message_refused", {{"kernel", id().str()},
                                            {"channel", std::string(to_string(message->channel()))},
                                            {"reason", "its header is not a header"}});
    return;
  }
  if (message->channel() == Channel::iopub) {
    receive_iopub(std::move(message), *header, *parent);
  } else {
    receive_reply(std::move(message), *header, *parent);
  }
}

void Kernel::receive_iopub(MessagePtr message, const HeaderIds& header, const HeaderIds& parent) {
  const bool own = parent.session == own_session_;
  const bool welcome = header.msg_type == "iopub_welcome";  // JEP 65: the subscription is there
  const ByteView status = header.msg_type == "status"
                              ? text_member(message->parts().content, "execution_state")
                              : ByteView();
  activity_.on_iopub({.msg_type = header.msg_type,
                      .parent_msg_id = parent.msg_id,
                      .parent_type = parent.msg_type,
                      .status = status},
                     shard_.now(), std::chrono::system_clock::now());
  if (own || welcome) {
    feed(lifecycle::IopubSeen{});
    return;  // what it takes to know that a kernel is ready is nobody else's business
  }
  // ipykernel tells on iopub that somebody asked it to end, over sockets that are not ours, too.
  if (header.msg_type == "shutdown_reply") tell_shutdown(message->parts().content);
  // The gateway has said it already, as starting or restarting; from the kernel it comes or not,
  // depending on when the subscription reached it.
  if (status == "starting" && parent.msg_id.empty()) return;
  const bool idle = status == "idle";
  const std::string parent_id = idle ? std::string(parent.msg_id) : std::string();
  if (reply_hold_.held() > 0) reply_hold_.on_output(parent.msg_id, shard_.now());
  audience_.publish(std::move(message));
  if (!idle) return;
  route_all(reply_hold_.on_idle(parent_id));
  requests_.idle_seen(parent_id, shard_.now());
}

void Kernel::receive_reply(MessagePtr message, const HeaderIds& header, const HeaderIds& parent) {
  if (parent.session == own_session_) {
    receive_own(message, header);
    return;
  }
  if (message->channel() == Channel::shell) activity_.on_reply(parent.msg_id, shard_.now());
  if (header.msg_type == "kernel_info_reply") kernel_info_ = message->parts().content;
  if (header.msg_type == "shutdown_reply") {
    const OutstandingRequest* const asked = requests_.find(parent.msg_id);
    if (asked != nullptr && asked->msg_type == "shutdown_request") {
      tell_shutdown(message->parts().content);
    }
  }
  if (header.msg_type == "execute_reply") {
    const std::string parent_id(parent.msg_id);
    route_all(reply_hold_.on_reply(parent_id, std::move(message), shard_.now()));
    set_timer();
    return;
  }
  route(std::move(message), parent);
}

void Kernel::tell_shutdown(ByteView content) {
  JsonMembers members(content);
  bool restart = false;
  while (const auto member = members.next()) {
    if (member->key == "restart") restart = member->value == "true";
  }
  feed(lifecycle::ShutdownReplied{restart});
}

void Kernel::receive_own(const MessagePtr& message, const HeaderIds& header) {
  if (header.msg_type == "kernel_info_reply") {
    kernel_info_ = message->parts().content;
    feed(lifecycle::KernelInfoReplied{});
  } else if (header.msg_type == "shutdown_reply") {
    feed(lifecycle::ShutdownReplied{});
  }
}

// To whoever asked. By session only when the request is not known any more; never to everybody.
void Kernel::route(MessagePtr message, const HeaderIds& parent) {
  ReaderId reader = kEveryReader;
  if (const OutstandingRequest* const request = requests_.find(parent.msg_id)) {
    reader = request->reader;
    // An input_request asks in the middle of its parent; anything else answers it.
    if (message->channel() != Channel::stdin_) requests_.remove(parent.msg_id);
  } else {
    reader = audience_.find_session(parent.session);
  }
  if (reader == kEveryReader) {
    log::debug("reply_without_request", {{"kernel", id().str()}});
    return;
  }
  audience_.publish(std::move(message), reader);
}

void Kernel::route_all(std::vector<MessagePtr> replies) {
  for (MessagePtr& reply : replies) {
    if (const auto parent = peek_header(reply->parts().parent_header)) {
      route(std::move(reply), *parent);
    }
  }
}

void Kernel::turn_ended() {
  send_pending();
  audience_.notify(shard_.now());
  set_timer();
}

// For what is published outside a turn of the kernel's sockets.
void Kernel::publish_soon() {
  if (std::exchange(publish_posted_, true)) return;
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->publish_posted_ = false;
    self->audience_.notify(self->shard_.now());
  });
}

// ---- to the kernel ----

Attachment::Submission Kernel::submit(ReaderId reader, const ClientMessage& message,
                                      const std::shared_ptr<const void>& owner) {
  using Submission = Attachment::Submission;
  const auto header = peek_header(message.parts.header);
  if (!header || header->msg_id.empty() || header->msg_type.empty()) return Submission::malformed;
  for (const ByteView part :
       {message.parts.parent_header, message.parts.metadata, message.parts.content}) {
    // A kernel's JSON reader may be naive: nothing reaches it that is not JSON, or nested too deep.
    if (!is_json_value(part)) return Submission::malformed;
  }
  if (message.channel == Channel::iopub)
    return Submission::accepted;  // clients have nothing to say there
  if (lifecycle_.state() == lifecycle::State::dead ||
      lifecycle_.state() == lifecycle::State::stopped) {
    return Submission::gone;
  }
  if (answer_from_cache(reader, message, *header)) return Submission::accepted;
  requests_.add({.msg_id = std::string(header->msg_id),
                 .msg_type = std::string(header->msg_type),
                 .header = std::string(message.parts.header),
                 .session = std::string(header->session),
                 .channel = message.channel,
                 .reader = reader});
  send_or_queue(message, owner);
  if (!congested()) return Submission::accepted;
  writers_wait_ = true;
  return Submission::congested;
}

// A front end that opens a notebook asks for kernel_info and waits; a kernel that runs a long cell
// would answer when it is done. What it answered before still holds.
bool Kernel::answer_from_cache(ReaderId reader, const ClientMessage& message,
                               const HeaderIds& header) {
  if (header.msg_type != "kernel_info_request" || message.channel != Channel::shell ||
      kernel_info_.empty() || activity_.execution_state() != ExecutionState::busy) {
    return false;
  }
  audience_.publish(make_message(Channel::shell, own_header("kernel_info_reply"),
                                 message.parts.header, kernel_info_),
                    reader);
  publish_soon();
  return true;
}

void Kernel::send_or_queue(const ClientMessage& message, const std::shared_ptr<const void>& owner) {
  auto& queue = pending_[index_of(message.channel)];
  const bool open = channels_ && (lifecycle_.state() == lifecycle::State::ready ||
                                  lifecycle_.state() == lifecycle::State::stopping);
  if (open && queue.empty() &&
      channels_->send(message.channel, message.parts, message.buffers, owner)) {
    return;
  }
  Pending& held = queue.emplace_back();
  held.channel = message.channel;
  held.parts = message.parts;
  held.buffers = message.buffers;
  held.owner = owner;
  held.size_bytes = message.parts.header.size() + message.parts.parent_header.size() +
                    message.parts.metadata.size() + message.parts.content.size();
  for (const ByteView buffer : message.buffers) held.size_bytes += buffer.size();
  pending_bytes_ += held.size_bytes;
}

void Kernel::send_pending() {
  if (!channels_ || lifecycle_.state() != lifecycle::State::ready) return;
  for (auto& queue : pending_) {
    while (!queue.empty()) {
      const Pending& next = queue.front();
      if (!channels_->send(next.channel, next.parts, next.buffers, next.owner)) break;
      pending_bytes_ -= next.size_bytes;
      queue.pop_front();
    }
  }
  if (writers_wait_ && !congested()) {
    writers_wait_ = false;
    audience_.for_each([](KernelListener& listener) { listener.on_writable(); });
  }
}

bool Kernel::congested() const {
  return pending_bytes_ > limits::kPendingToKernelBytesMax ||
         pending_[0].size() + pending_[1].size() + pending_[2].size() >
             limits::kPendingToKernelMessagesMax;
}

}  // namespace perijove
