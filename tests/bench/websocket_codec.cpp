#include "websocket_codec.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace bench {

namespace {

constexpr std::uint8_t kFinal = 0x80;
constexpr std::uint8_t kMasked = 0x80;

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

std::uint64_t read_big_endian(const char* data, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<std::uint8_t>(data[i]);
  return value;
}

struct FrameHeader {
  std::uint8_t first = 0;
  std::size_t size = 0;  // of the header itself; 0 when it is not complete yet
  std::uint64_t payload_size = 0;
};

FrameHeader read_header(std::string_view bytes) {
  FrameHeader header;
  if (bytes.size() < 2) return header;
  const auto second = static_cast<std::uint8_t>(bytes[1]);
  if ((second & kMasked) != 0) throw WebsocketError("the server masked a frame");
  const std::size_t length_bytes = second == 126 ? 2 : second == 127 ? 8 : 0;
  if (bytes.size() < 2 + length_bytes) return header;
  header.first = static_cast<std::uint8_t>(bytes[0]);
  header.size = 2 + length_bytes;
  header.payload_size = length_bytes == 0 ? second : read_big_endian(&bytes[2], length_bytes);
  return header;
}

bool is_control(Opcode opcode) { return static_cast<std::uint8_t>(opcode) >= 8; }

}  // namespace

void append_client_frame(std::string& out, Opcode opcode, std::string_view payload,
                         MaskingKey key) {
  out.reserve(out.size() + payload.size() + 14);
  out += static_cast<char>(kFinal | static_cast<std::uint8_t>(opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(kMasked | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(kMasked | 126);
    append_big_endian(out, payload.size(), 2);
  } else {
    out += static_cast<char>(kMasked | 127);
    append_big_endian(out, payload.size(), 8);
  }
  out.append(key.data(), key.size());
  const std::size_t start = out.size();
  out.append(payload);
  char* masked = out.data() + start;
  std::uint64_t key_twice = 0;
  std::memcpy(&key_twice, key.data(), 4);
  key_twice |= key_twice << 32;
  std::size_t i = 0;
  for (; i + 8 <= payload.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, masked + i, 8);
    word ^= key_twice;
    std::memcpy(masked + i, &word, 8);
  }
  for (; i < payload.size(); ++i) masked[i] = static_cast<char>(masked[i] ^ key[i % 4]);
}

FrameReader::Space FrameReader::prepare(std::size_t minimum) {
  if (begin_ == end_) begin_ = end_ = 0;
  const std::size_t unread = end_ - begin_;
  const std::size_t needed = std::max(unread + minimum, wanted_);
  if (buffer_.size() - begin_ < needed) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, unread);
      begin_ = 0;
      end_ = unread;
    }
    if (buffer_.size() < needed) buffer_.resize(needed);
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameReader::append(std::string_view bytes) {
  const Space space = prepare(bytes.size());
  std::memcpy(space.data, bytes.data(), bytes.size());
  commit(bytes.size());
}

bool FrameReader::next(WebsocketMessage& message) {
  if (fragments_delivered_) {
    fragments_.clear();
    fragments_delivered_ = false;
  }
  while (true) {
    const std::string_view unread(buffer_.data() + begin_, end_ - begin_);
    const FrameHeader header = read_header(unread);
    if (header.size == 0) return false;
    wanted_ = header.size + header.payload_size;
    if (unread.size() < wanted_) return false;
    const std::string_view payload = unread.substr(header.size, header.payload_size);
    begin_ += wanted_;
    wanted_ = 0;

    const bool final = (header.first & kFinal) != 0;
    const auto opcode = static_cast<Opcode>(header.first & 0x0f);
    if ((header.first & 0x70) != 0) throw WebsocketError("reserved bits are set");
    if (is_control(opcode) || (final && opcode != Opcode::kContinuation)) {
      message = {opcode, payload};
      return true;
    }
    if (opcode != Opcode::kContinuation) {
      fragments_opcode_ = opcode;
    } else if (fragments_opcode_ == Opcode::kContinuation) {
      throw WebsocketError("a continuation frame without a first one");
    }
    fragments_ += payload;
    if (final) {
      message = {fragments_opcode_, fragments_};
      fragments_opcode_ = Opcode::kContinuation;
      fragments_delivered_ = true;
      return true;
    }
  }
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int digest_size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &digest_size, EVP_sha1(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> base64;
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest_size));
  return std::string(reinterpret_cast<const char*>(base64.data()),
                     static_cast<std::size_t>(length));
}

}  // namespace bench
