// Invariant: any bytes either decode or are refused; whatever parts a kernel sends, the frame is
// one JSON object from which its buffers, and its parts as far as they were objects, come back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/json_scan.hpp"
#include "protocol/ws_default.hpp"
#include "require.hpp"

namespace {

using perijove::ByteView;

ByteView without_leading_space(ByteView text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start == ByteView::npos ? ByteView() : text.substr(start);
}

bool is_object(ByteView part) {
  return without_leading_space(part).starts_with('{') && perijove::is_json_value(part);
}

// Members are told without white space around them.
ByteView trimmed(ByteView part) {
  part = without_leading_space(part);
  return part.substr(0, part.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& decoded : {decode_ws_default_text(bytes), decode_ws_default_binary(bytes)}) {
    if (!decoded) continue;
    for (const ByteView part : {decoded->parts.header, decoded->parts.parent_header,
                                decoded->parts.metadata, decoded->parts.content}) {
      PERIJOVE_REQUIRE(is_object(part));
    }
    // What a client may send may be sent to clients.
    const auto message = Message::copy(decoded->channel, decoded->parts, decoded->buffers);
    PERIJOVE_REQUIRE(encode_ws_default(*message).binary == !decoded->buffers.empty());
  }

  // The same bytes as lines: four parts of a kernel, the rest buffers.
  std::vector<ByteView> lines;
  for (ByteView text = bytes; !text.empty();) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  lines.resize(std::max<std::size_t>(lines.size(), 4));
  const std::vector<ByteView> buffers(lines.begin() + 4, lines.end());
  const SignedParts parts = {lines[0], lines[1], lines[2], lines[3]};
  const auto message = Message::copy(Channel::iopub, parts, buffers);
  const WsDefaultFrame frame = encode_ws_default(*message);
  PERIJOVE_REQUIRE(frame.binary == !buffers.empty());
  std::string whole = frame.head + std::string(frame.content) + frame.tail;
  for (const ByteView buffer : buffers) whole += buffer;
  const auto back = frame.binary ? decode_ws_default_binary(whole) : decode_ws_default_text(whole);
  PERIJOVE_REQUIRE(back.has_value());
  PERIJOVE_REQUIRE(back->channel == Channel::iopub && back->buffers == buffers);
  const auto same = [](ByteView sent, ByteView received) {
    return is_object(sent) ? received == trimmed(sent) : received.starts_with(R"({"malformed":")");
  };
  PERIJOVE_REQUIRE(same(parts.header, back->parts.header));
  PERIJOVE_REQUIRE(same(parts.parent_header, back->parts.parent_header));
  PERIJOVE_REQUIRE(same(parts.metadata, back->parts.metadata));
  // Into the content a text/plain entry may have come, and nothing else.
  const ByteView content = back->parts.content;
  const std::size_t added = content.find(R"("text/plain":"<)");
  if (!same(parts.content, content)) {
    PERIJOVE_REQUIRE(added != ByteView::npos && is_object(content));
    PERIJOVE_REQUIRE(content.size() > trimmed(parts.content).size());
  }
  return 0;
}
