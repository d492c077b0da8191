#include "message.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "json_scan.hpp"

namespace bench {

namespace {

static_assert(std::endian::native == std::endian::little, "v1 words are copied as they are");

constexpr std::array<std::string_view, 4> kChannelNames = {"shell", "control", "stdin", "iopub"};
constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kV1FixedParts = 5;  // channel, header, parent_header, metadata, content

std::optional<Channel> channel_named(std::string_view name) {
  for (std::size_t i = 0; i < kChannelNames.size(); ++i) {
    if (kChannelNames[i] == name) return static_cast<Channel>(i);
  }
  return std::nullopt;
}

std::uint64_t v1_word(std::string_view bytes, std::size_t index) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * kWord, kWord);
  return value;
}

std::uint32_t big_endian_word(std::string_view bytes, std::size_t index) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[index * 4 + i]);
  }
  return value;
}

void append_big_endian_word(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::uint32_t>(value) >> shift);
  }
}

std::string message_json(const Request& request, std::string_view session_id) {
  std::string json = "{\"header\":" + header_json(request, session_id);
  json.append(",\"msg_id\":\"").append(request.msg_id);
  json.append("\",\"msg_type\":\"").append(request.type);
  json.append("\",\"parent_header\":{},\"metadata\":{},\"content\":").append(request.content);
  if (request.buffers.empty()) json += ",\"buffers\":[]";
  return json.append(",\"channel\":\"").append(to_string(request.channel)).append("\"}");
}

Payload encode_json(const Request& request, std::string_view session_id) {
  std::string json = message_json(request, session_id);
  if (request.buffers.empty()) return {std::move(json), true};
  std::string out;
  const std::size_t count = 1 + request.buffers.size();
  std::size_t offset = 4 * (count + 1);
  std::size_t total = offset + json.size();
  for (const auto buffer : request.buffers) total += buffer.size();
  out.reserve(total);
  append_big_endian_word(out, count);
  append_big_endian_word(out, offset);
  offset += json.size();
  for (const auto buffer : request.buffers) {
    append_big_endian_word(out, offset);
    offset += buffer.size();
  }
  out += json;
  for (const auto buffer : request.buffers) out += buffer;
  return {std::move(out), false};
}

Payload encode_v1(const Request& request, std::string_view session_id) {
  const std::string header = header_json(request, session_id);
  std::vector<std::string_view> parts = {to_string(request.channel), header, "{}", "{}",
                                         request.content};
  parts.insert(parts.end(), request.buffers.begin(), request.buffers.end());
  std::vector<std::uint64_t> words = {parts.size() + 1};
  std::uint64_t offset = kWord * (parts.size() + 2);
  words.push_back(offset);
  for (const auto part : parts) words.push_back(offset += part.size());
  std::string out;
  out.reserve(offset);
  out.append(reinterpret_cast<const char*>(words.data()), words.size() * kWord);
  for (const auto part : parts) out += part;
  return {std::move(out), false};
}

bool decode_object(std::string_view object, Message& message) {
  std::string_view header;
  std::string_view parent_header;
  std::string_view channel_name;
  message.content = {};
  json_scan::for_each_member(object, [&](std::string_view key, std::string_view value) {
    if (key == "header") header = value;
    if (key == "parent_header") parent_header = value;
    if (key == "content") message.content = value;
    if (key == "channel" && value.size() > 2) channel_name = value.substr(1, value.size() - 2);
  });
  const auto channel = channel_named(channel_name);
  if (!channel || header.empty()) return false;
  message.channel = *channel;
  read_headers(message, header, parent_header);
  return true;
}

bool decode_json(std::string_view payload, bool text, Message& message) {
  message.buffers.clear();
  if (text) return decode_object(payload, message);
  if (payload.size() < 4) return false;
  const std::size_t count = big_endian_word(payload, 0);
  if (count < 1 || payload.size() / 4 < count + 1) return false;
  const auto part = [&](std::size_t i) -> std::optional<std::string_view> {
    const std::size_t begin = big_endian_word(payload, 1 + i);
    const std::size_t end = i + 1 < count ? big_endian_word(payload, 2 + i) : payload.size();
    if (begin > end || end > payload.size()) return std::nullopt;
    return payload.substr(begin, end - begin);
  };
  for (std::size_t i = 1; i < count; ++i) {
    const auto buffer = part(i);
    if (!buffer) return false;
    message.buffers.push_back(*buffer);
  }
  const auto object = part(0);
  return object && decode_object(*object, message);
}

bool decode_v1(std::string_view payload, Message& message) {
  message.buffers.clear();
  if (payload.size() < kWord) return false;
  const std::uint64_t count = v1_word(payload, 0);
  if (count < kV1FixedParts + 1 || payload.size() / kWord < count + 1) return false;
  for (std::size_t i = 1; i < count; ++i) {
    if (v1_word(payload, i) > v1_word(payload, i + 1)) return false;
  }
  if (v1_word(payload, count) > payload.size()) return false;
  const auto part = [&](std::size_t i) {
    const std::size_t begin = v1_word(payload, 1 + i);
    return payload.substr(begin, v1_word(payload, 2 + i) - begin);
  };
  const auto channel = channel_named(part(0));
  if (!channel) return false;
  message.channel = *channel;
  read_headers(message, part(1), part(2));
  message.content = part(4);
  for (std::size_t i = kV1FixedParts; i + 1 < count; ++i) message.buffers.push_back(part(i));
  return true;
}

}  // namespace

std::string_view to_string(Channel channel) {
  return kChannelNames[static_cast<std::size_t>(channel)];
}

std::string_view to_string(Framing framing) { return framing == Framing::kJson ? "JSON" : "v1"; }

std::string_view Message::execution_state() const {
  if (type != "status") return {};
  return json_scan::string_member(content, "execution_state");
}

void read_headers(Message& message, std::string_view header, std::string_view parent_header) {
  message.type = json_scan::string_member(header, "msg_type");
  message.parent_id = json_scan::string_member(parent_header, "msg_id");
}

std::string header_json(const Request& request, std::string_view session_id) {
  std::string json = "{\"msg_id\":\"";
  json.append(request.msg_id).append("\",\"msg_type\":\"").append(request.type);
  json.append("\",\"username\":\"bench\",\"session\":\"").append(session_id);
  // Nobody reads the date; a constant keeps the clock out of the measured path.
  return json.append("\",\"date\":\"2026-01-01T00:00:00.000000Z\",\"version\":\"5.3\"}");
}

Payload encode(Framing framing, const Request& request, std::string_view session_id) {
  return framing == Framing::kJson ? encode_json(request, session_id)
                                   : encode_v1(request, session_id);
}

bool decode(Framing framing, std::string_view payload, bool text, Message& message) {
  return framing == Framing::kJson ? decode_json(payload, text, message)
                                   : decode_v1(payload, message);
}

}  // namespace bench
