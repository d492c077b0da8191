#include "protocol/message.hpp"

#include <cstring>

#include "protocol/json_scan.hpp"

namespace perijove {

static std::size_t total_bytes(const SignedParts& parts, std::span<const ByteView> buffers) {
  std::size_t total = parts.header.size() + parts.parent_header.size() + parts.metadata.size() +
                      parts.content.size();
  for (const ByteView buffer : buffers) total += buffer.size();
  return total;
}

Message::Message(Channel channel, const SignedParts& parts, std::span<const ByteView> buffers)
    : channel_(channel),
      parts_(parts),
      buffers_(buffers.begin(), buffers.end()),
      size_bytes_(total_bytes(parts, buffers)) {}

std::shared_ptr<const Message> Message::share(Channel channel, const SignedParts& parts,
                                              std::span<const ByteView> buffers,
                                              std::shared_ptr<const void> owner) {
  std::shared_ptr<Message> message(new Message(channel, parts, buffers));
  message->owner_ = std::move(owner);
  return message;
}

std::shared_ptr<const Message> Message::copy(Channel channel, const SignedParts& parts,
                                             std::span<const ByteView> buffers) {
  std::shared_ptr<Message> message(new Message(channel, parts, buffers));
  auto block = std::make_shared_for_overwrite<char[]>(message->size_bytes_);
  char* at = block.get();
  const auto keep = [&at](ByteView& view) {
    if (!view.empty()) std::memcpy(at, view.data(), view.size());
    view = {at, view.size()};
    at += view.size();
  };
  keep(message->parts_.header);
  keep(message->parts_.parent_header);
  keep(message->parts_.metadata);
  keep(message->parts_.content);
  for (ByteView& buffer : message->buffers_) keep(buffer);
  message->owner_ = std::move(block);
  return message;
}

std::string make_header(const HeaderFields& fields) {
  std::string text = R"({"msg_id":)";
  append_json_string(text, fields.msg_id);
  text += R"(,"msg_type":)";
  append_json_string(text, fields.msg_type);
  text += R"(,"username":"perijove","session":)";
  append_json_string(text, fields.session);
  text += R"(,"date":")" + format_utc(fields.date) + R"(","version":")";
  text += kProtocolVersion;
  text += "\"}";
  return text;
}

MessagePtr make_message(Channel channel, const HeaderFields& fields, ByteView parent_header,
                        ByteView content) {
  const std::string header = make_header(fields);
  return Message::copy(channel, {header, parent_header, "{}", content});
}

}  // namespace perijove
