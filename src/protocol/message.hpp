#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "protocol/channel.hpp"
#include "protocol/frames.hpp"

namespace perijove {

/// One Jupyter message as it travels through the gateway: the bytes of its parts, verbatim, and the
/// channel. Immutable and shared by everyone it goes to; freed with the last share.
class Message {
 public:
  /// Copies parts and buffers into one block: right for small messages, where keeping the frames
  /// they came in would hold more memory than the copy.
  static std::shared_ptr<const Message> copy(Channel channel, const SignedParts& parts,
                                             std::span<const ByteView> buffers = {});

  /// Keeps `owner`, into which all views point, instead of copying: right for large messages.
  static std::shared_ptr<const Message> share(Channel channel, const SignedParts& parts,
                                              std::span<const ByteView> buffers,
                                              std::shared_ptr<const void> owner);

  Channel channel() const { return channel_; }
  const SignedParts& parts() const { return parts_; }
  std::span<const ByteView> buffers() const { return buffers_; }

  /// Bytes of all parts and buffers together: what queues and budgets count.
  std::size_t size_bytes() const { return size_bytes_; }

 private:
  Message(Channel channel, const SignedParts& parts, std::span<const ByteView> buffers);

  Channel channel_;
  SignedParts parts_;
  std::vector<ByteView> buffers_;
  std::size_t size_bytes_;
  std::shared_ptr<const void> owner_;
};

using MessagePtr = std::shared_ptr<const Message>;

/// What the gateway writes into the header of a message of its own.
struct HeaderFields {
  std::string_view msg_type;
  std::string_view msg_id;
  std::string_view session;
  WallTime date;
};

/// The protocol version that our own headers carry.
inline constexpr std::string_view kProtocolVersion = "5.3";

/// The JSON text of a header. `username` is always "perijove".
std::string make_header(const HeaderFields& fields);

/// A message of the gateway's own on `channel`: `parent_header` and `content` are JSON texts.
MessagePtr make_message(Channel channel, const HeaderFields& fields, ByteView parent_header,
                        ByteView content);

}  // namespace perijove
