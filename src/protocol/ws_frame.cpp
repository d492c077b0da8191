#include "protocol/ws_frame.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "protocol/utf8.hpp"

namespace perijove {
namespace {

constexpr std::uint8_t kContinuation = 0;
constexpr std::size_t kControlPayloadMax = 125;

bool is_control(std::uint8_t opcode) { return opcode >= 8; }

WsFault protocol_fault(std::string reason) { return {WsClose::protocol_error, std::move(reason)}; }

}  // namespace

std::optional<WsEvent> WsReader::read(ByteView& bytes) {
  while (!ended_) {
    if (!in_payload_) {
      if (bytes.empty()) return std::nullopt;
      if (auto fault = read_header(bytes)) {
        ended_ = true;
        return fault;
      }
      if (!in_payload_) return std::nullopt;  // the header is not whole yet
    }
    read_payload(bytes);
    if (payload_read_ < frame_.size) return std::nullopt;
    in_payload_ = false;
    if (auto event = finish_frame()) {
      ended_ = std::holds_alternative<WsFault>(*event) ||
               std::holds_alternative<WsCloseReceived>(*event);
      return event;
    }
  }
  bytes = {};
  return std::nullopt;
}

std::optional<WsEvent> WsReader::read_header(ByteView& bytes) {
  // Two bytes tell how long the header is; clients always mask, so four bytes of mask end it.
  const auto take = [&](std::size_t wanted) {
    const std::size_t missing = wanted - std::min(wanted, header_bytes_.size());
    header_bytes_ += bytes.substr(0, missing);
    bytes.remove_prefix(std::min(missing, bytes.size()));
    return header_bytes_.size() >= wanted;
  };
  const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(header_bytes_[i]); };
  if (!take(2)) return std::nullopt;
  const std::size_t short_size = byte(1) & 0x7f;
  const std::size_t size_bytes = short_size == 126 ? 2 : short_size == 127 ? 8 : 0;
  if ((byte(0) & 0x70) != 0) return protocol_fault("reserved bits are set");
  if ((byte(1) & 0x80) == 0) return protocol_fault("a client's frame must be masked");
  if (!take(2 + size_bytes + 4)) return std::nullopt;

  frame_.final = (byte(0) & 0x80) != 0;
  frame_.opcode = byte(0) & 0x0f;
  frame_.size = size_bytes == 0 ? short_size : 0;
  for (std::size_t i = 0; i < size_bytes; ++i) frame_.size = frame_.size << 8 | byte(2 + i);
  for (std::size_t i = 0; i < 4; ++i) frame_.mask[i] = byte(2 + size_bytes + i);
  header_bytes_.clear();
  if (auto fault = check_header()) return fault;

  in_payload_ = true;
  payload_read_ = 0;
  if (is_control(frame_.opcode)) {
    control_.clear();
  } else {
    if (frame_.opcode != kContinuation) {
      in_message_ = true;
      binary_ = frame_.opcode == static_cast<std::uint8_t>(WsOpcode::binary);
      message_.clear();
    }
    // Pages that are never written cost nothing, so a lying size costs address space only.
    message_.reserve(message_.size() + static_cast<std::size_t>(frame_.size));
  }
  return std::nullopt;
}

std::optional<WsEvent> WsReader::check_header() const {
  const bool known = frame_.opcode <= 2 || (frame_.opcode >= 8 && frame_.opcode <= 10);
  if (!known) return protocol_fault("unknown opcode");
  if (is_control(frame_.opcode)) {
    if (!frame_.final) return protocol_fault("a control frame is fragmented");
    if (frame_.size > kControlPayloadMax) return protocol_fault("a control frame is too long");
    return std::nullopt;
  }
  if ((frame_.opcode == kContinuation) != in_message_) {
    return protocol_fault(in_message_ ? "a message began inside another" : "nothing to continue");
  }
  const std::size_t before = frame_.opcode == kContinuation ? message_.size() : 0;
  if (frame_.size > message_bytes_max_ - std::min(before, message_bytes_max_)) {
    return WsFault{WsClose::too_big, "message is larger than the limit of " +
                                         std::to_string(message_bytes_max_) + " bytes"};
  }
  return std::nullopt;
}

void WsReader::read_payload(ByteView& bytes) {
  std::string& target = is_control(frame_.opcode) ? control_ : message_;
  const std::size_t size = std::min<std::uint64_t>(bytes.size(), frame_.size - payload_read_);
  const std::size_t start = target.size();
  target.append(bytes.data(), size);
  bytes.remove_prefix(size);
  char* data = target.data() + start;

  // Eight bytes at a time; the mask is turned to where this piece begins in the frame.
  unsigned char turned[8];
  for (std::size_t i = 0; i < 8; ++i) turned[i] = frame_.mask[(payload_read_ + i) % 4];
  std::uint64_t mask = 0;
  std::memcpy(&mask, turned, 8);
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, 8);
    word ^= mask;
    std::memcpy(data + at, &word, 8);
  }
  for (; at < size; ++at) data[at] = static_cast<char>(data[at] ^ turned[at % 8]);
  payload_read_ += size;
}

std::optional<WsEvent> WsReader::finish_frame() {
  if (!is_control(frame_.opcode)) {
    if (!frame_.final) return std::nullopt;
    in_message_ = false;
    return WsMessage{binary_, std::exchange(message_, {})};
  }
  switch (static_cast<WsOpcode>(frame_.opcode)) {
    case WsOpcode::ping:
      return WsPing{std::exchange(control_, {})};
    case WsOpcode::pong:
      return WsPong{std::exchange(control_, {})};
    default: {
      if (control_.empty()) return WsCloseReceived{};
      if (control_.size() == 1) return protocol_fault("a close code has two bytes");
      const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(control_[0]) << 8 |
                                                   static_cast<unsigned char>(control_[1]));
      return WsCloseReceived{code, control_.substr(2)};
    }
  }
}

void append_ws_header(std::string& out, WsOpcode opcode, std::uint64_t payload_size) {
  constexpr unsigned kFinal = 0x80;
  out += static_cast<char>(kFinal | static_cast<unsigned>(opcode));
  const int size_bytes = payload_size <= 125 ? 0 : payload_size <= 0xffff ? 2 : 8;
  if (size_bytes == 0) {
    out += static_cast<char>(payload_size);
    return;
  }
  out += static_cast<char>(size_bytes == 2 ? 126 : 127);
  for (int shift = 8 * (size_bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(payload_size >> shift & 0xff);
  }
}

std::string ws_close_frame(WsClose code, std::string_view reason) {
  // A reason may carry what a kernel wrote, and a client fails on one that is not UTF-8.
  const std::string text = to_utf8(reason, kControlPayloadMax - 2);
  std::string out;
  append_ws_header(out, WsOpcode::close, 2 + text.size());
  out += static_cast<char>(static_cast<unsigned>(code) >> 8);
  out += static_cast<char>(static_cast<unsigned>(code) & 0xff);
  out += text;
  return out;
}

std::string ws_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char base64[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
  const int size = EVP_EncodeBlock(base64, digest, SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(base64), static_cast<std::size_t>(size)};
}

}  // namespace perijove
