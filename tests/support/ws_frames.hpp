#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace perijove::testing {

/// Opcodes of RFC 6455.
inline constexpr int kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;

/// One websocket frame as a client writes it: masked.
inline std::string client_frame(int opcode, std::string_view payload, bool final = true,
                                const std::string& mask = "\x37\xfa\x21\x3d") {
  std::string out;
  out += static_cast<char>((final ? 0x80 : 0) | opcode);
  const std::uint64_t size = payload.size();
  const int size_bytes = size <= 125 ? 0 : size <= 0xffff ? 2 : 8;
  out += static_cast<char>(0x80 | (size_bytes == 0   ? static_cast<int>(size)
                                   : size_bytes == 2 ? 126
                                                     : 127));
  for (int shift = 8 * (size_bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(size >> shift & 0xff);
  }
  out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  return out;
}

}  // namespace perijove::testing
