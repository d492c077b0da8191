// Invariant: any bytes either decode or are refused; what decodes encodes to the same bytes, and
// any parts and buffers come back as they were.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/ws_v1.hpp"
#include "require.hpp"

namespace {

std::string encode(const perijove::Message& message) {
  std::string bytes;
  perijove::append_ws_v1_preamble(bytes, message);
  PERIJOVE_REQUIRE(bytes.size() == perijove::ws_v1_preamble_size(message));
  const auto& parts = message.parts();
  for (const auto part : {parts.header, parts.parent_header, parts.metadata, parts.content}) {
    bytes += part;
  }
  for (const auto buffer : message.buffers()) bytes += buffer;
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  if (const auto decoded = decode_ws_v1(bytes)) {
    PERIJOVE_REQUIRE(encode(*Message::copy(decoded->channel, decoded->parts, decoded->buffers)) ==
                     bytes);
  }

  // The same bytes as lines: four parts, the rest buffers.
  std::vector<ByteView> lines;
  for (ByteView text = bytes; !text.empty();) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  lines.resize(std::max<std::size_t>(lines.size(), 4));
  const std::vector<ByteView> buffers(lines.begin() + 4, lines.end());
  const std::string encoded =
      encode(*Message::copy(Channel::stdin_, {lines[0], lines[1], lines[2], lines[3]}, buffers));
  const auto back = decode_ws_v1(encoded);
  PERIJOVE_REQUIRE(back.has_value());
  PERIJOVE_REQUIRE(back->channel == Channel::stdin_);
  PERIJOVE_REQUIRE(back->parts.header == lines[0] && back->parts.parent_header == lines[1]);
  PERIJOVE_REQUIRE(back->parts.metadata == lines[2] && back->parts.content == lines[3]);
  PERIJOVE_REQUIRE(back->buffers == buffers);
  return 0;
}
