#include "protocol/ws_default.hpp"

#include <cstdint>

#include "protocol/header.hpp"
#include "protocol/json.hpp"
#include "protocol/json_scan.hpp"

namespace perijove {
namespace {

constexpr std::size_t kWord = 4;

std::uint32_t word_at(ByteView bytes, std::size_t index) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kWord; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[index * kWord + i]);
  }
  return value;
}

void put_word(char* out, std::uint32_t value) {
  for (std::size_t i = kWord; i-- > 0; value >>= 8) out[i] = static_cast<char>(value & 0xff);
}

Error refuse(std::string_view what) {
  return {Code::invalid_argument,
          "websocket message is not a Jupyter message: " + std::string(what)};
}

bool is_object(ByteView value) { return !value.empty() && value.front() == '{'; }

// Leading white space would hide a part's brace; JSON allows it and no known kernel writes it.
ByteView trim(ByteView text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start == ByteView::npos ? ByteView() : text.substr(start);
}

void append_malformed(std::string& out, ByteView part) {
  out += R"({"malformed":)";
  append_json_string(out, part);
  out += '}';
}

void append_part(std::string& out, ByteView part) {
  if (is_object(trim(part)) && is_json_value(part)) {
    out += part;
  } else {
    append_malformed(out, part);
  }
}

bool carries_mime_bundle(ByteView msg_type) {
  return msg_type == "display_data" || msg_type == "execute_result" ||
         msg_type == "update_display_data";
}

// Appends a content, or what stands in its place, but for its end, which is returned: it follows as
// it is. A bundle without a text/plain entry gets one. Large contents are walked twice at most.
ByteView append_content(std::string& out, ByteView msg_type, ByteView content) {
  JsonMembers members(content, kJsonDepthMax - 1);
  ByteView data;
  while (const auto member = members.next()) {
    if (member->key == "data" && data.empty()) data = member->value;
  }
  if (!members.complete()) {
    append_malformed(out, content);
    return {};
  }
  if (!carries_mime_bundle(msg_type) || !is_object(data)) return content;
  JsonMembers bundle(data);
  const auto first = bundle.next();
  for (auto entry = first; entry; entry = bundle.next()) {
    if (entry->key == "text/plain") return content;
  }
  if (!first) return content;
  const auto brace = static_cast<std::size_t>(data.data() - content.data()) + 1;
  out += content.substr(0, brace);
  out += R"("text/plain":"<)";
  out += first->key;
  out += R"(>",)";
  return content.substr(brace);
}

}  // namespace

Result<ClientMessage> decode_ws_default_text(ByteView text) {
  ClientMessage message;
  message.parts = {{}, "{}", "{}", "{}"};
  JsonMembers members(text);
  while (const auto found = members.next()) {
    if (found->key == "channel") {
      if (found->value == "null") continue;
      const auto name = json_string(found->value);
      const auto channel = name ? channel_from_name(*name) : std::nullopt;
      if (!channel) {
        return refuse("unknown channel " + std::string(found->value.substr(0, 40)) +
                      "; known are shell, control, stdin and iopub");
      }
      message.channel = *channel;
    } else if (is_object(found->value)) {
      if (found->key == "header") message.parts.header = found->value;
      if (found->key == "parent_header") message.parts.parent_header = found->value;
      if (found->key == "metadata") message.parts.metadata = found->value;
      if (found->key == "content") message.parts.content = found->value;
    }
  }
  if (!members.complete()) return refuse("not one JSON object");
  if (message.parts.header.empty()) return refuse("it has no header object");
  return message;
}

Result<ClientMessage> decode_ws_default_binary(ByteView bytes) {
  if (bytes.size() < kWord) return refuse("shorter than its offset count");
  const std::size_t count = word_at(bytes, 0);
  if (count == 0 || count > bytes.size() / kWord - 1) return refuse("more offsets than bytes");
  const auto offset = [&](std::size_t i) -> std::size_t {
    return i < count ? word_at(bytes, 1 + i) : bytes.size();
  };
  if (offset(0) != kWord * (1 + count)) return refuse("first offset is not behind the table");
  for (std::size_t i = 0; i < count; ++i) {
    if (offset(i + 1) < offset(i) || offset(i + 1) > bytes.size()) {
      return refuse("offsets that do not rise");
    }
  }
  auto message = decode_ws_default_text(bytes.substr(offset(0), offset(1) - offset(0)));
  if (!message) return message;
  for (std::size_t i = 1; i < count; ++i) {
    message->buffers.push_back(bytes.substr(offset(i), offset(i + 1) - offset(i)));
  }
  return message;
}

WsDefaultFrame encode_ws_default(const Message& message) {
  const SignedParts& parts = message.parts();
  const std::size_t buffer_count = message.buffers().size();
  WsDefaultFrame frame;
  frame.binary = buffer_count > 0;
  std::string& out = frame.head;
  const std::size_t table = frame.binary ? kWord * (2 + buffer_count) : 0;
  out.reserve(table + parts.header.size() + parts.parent_header.size() + parts.metadata.size() +
              256);
  out.append(table, '\0');

  const auto ids = peek_header(parts.header);
  const ByteView msg_type = ids ? ids->msg_type : ByteView();
  out += R"({"header":)";
  append_part(out, parts.header);
  out += R"(,"msg_id":)";
  append_json_string(out, ids ? ids->msg_id : ByteView());
  out += R"(,"msg_type":)";
  append_json_string(out, msg_type);
  out += R"(,"parent_header":)";
  append_part(out, parts.parent_header);
  out += R"(,"metadata":)";
  append_part(out, parts.metadata);
  out += R"(,"content":)";
  frame.content = append_content(out, msg_type, parts.content);
  if (!frame.binary) frame.tail = R"(,"buffers":[])";
  frame.tail += R"(,"channel":")";
  frame.tail += to_string(message.channel());
  frame.tail += "\"}";

  if (frame.binary) {
    put_word(out.data(), static_cast<std::uint32_t>(1 + buffer_count));
    put_word(out.data() + kWord, static_cast<std::uint32_t>(table));
    std::size_t at = frame.size();
    for (std::size_t i = 0; i < buffer_count; ++i) {
      put_word(out.data() + kWord * (2 + i), static_cast<std::uint32_t>(at));
      at += message.buffers()[i].size();
    }
  }
  return frame;
}

}  // namespace perijove
