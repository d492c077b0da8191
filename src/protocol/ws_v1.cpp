#include "protocol/ws_v1.hpp"

#include <cstdint>

namespace perijove {
namespace {

constexpr std::size_t kWord = 8;
constexpr std::size_t kFixedOffsets = 6;  // channel, four parts, end

std::uint64_t word_at(ByteView bytes, std::size_t index) {
  std::uint64_t value = 0;
  for (std::size_t i = kWord; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[index * kWord + i]);
  }
  return value;
}

void append_word(std::string& out, std::uint64_t value) {
  char bytes[kWord];
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  out.append(bytes, kWord);
}

Error refuse(std::string_view what) {
  return {Code::invalid_argument,
          "websocket message is not framed as v1.kernel.websocket: " + std::string(what)};
}

}  // namespace

Result<ClientMessage> decode_ws_v1(ByteView bytes) {
  if (bytes.size() < kWord) return refuse("shorter than its offset count");
  const std::uint64_t count = word_at(bytes, 0);
  // Bound the count by the bytes that are really there before any arithmetic on it: 8 * (1 + n)
  // wraps for n near 2^64, and a wrapped size would pass the next check.
  if (count > bytes.size() / kWord - 1) return refuse("more offsets than bytes");
  if (count < kFixedOffsets) return refuse("fewer than six offsets");

  const auto offset = [&](std::size_t i) { return word_at(bytes, 1 + i); };
  if (offset(0) != kWord * (1 + count)) return refuse("first offset is not behind the table");
  if (offset(count - 1) != bytes.size()) return refuse("last offset is not the end");
  std::vector<ByteView> parts;
  parts.reserve(count - 1);
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (offset(i + 1) < offset(i) || offset(i + 1) > bytes.size()) {
      return refuse("offsets that do not rise");
    }
    parts.push_back(bytes.substr(offset(i), offset(i + 1) - offset(i)));
  }

  const auto channel = channel_from_name(parts[0]);
  if (!channel) return refuse("unknown channel");
  ClientMessage message;
  message.channel = *channel;
  message.parts = {parts[1], parts[2], parts[3], parts[4]};
  message.buffers.assign(parts.begin() + 5, parts.end());
  return message;
}

std::size_t ws_v1_preamble_size(const Message& message) {
  return kWord * (1 + kFixedOffsets + message.buffers().size()) +
         to_string(message.channel()).size();
}

void append_ws_v1_preamble(std::string& out, const Message& message) {
  const std::string_view channel = to_string(message.channel());
  const SignedParts& parts = message.parts();
  const std::uint64_t count = kFixedOffsets + message.buffers().size();
  append_word(out, count);
  std::uint64_t at = kWord * (1 + count);
  append_word(out, at);
  const auto append_end_of = [&](ByteView part) { append_word(out, at += part.size()); };
  append_end_of(channel);
  append_end_of(parts.header);
  append_end_of(parts.parent_header);
  append_end_of(parts.metadata);
  append_end_of(parts.content);
  for (const ByteView buffer : message.buffers()) append_end_of(buffer);
  out += channel;
}

}  // namespace perijove
