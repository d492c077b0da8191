// Invariant: the events are the same in whatever pieces the bytes come, nothing is told behind an
// end, and no message is larger than the limit.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/ws_frame.hpp"
#include "require.hpp"

namespace {

using namespace perijove;

constexpr std::size_t kMessageBytesMax = 300;

std::string describe(const WsEvent& event) {
  struct Describe {
    std::string operator()(const WsMessage& message) const {
      PERIJOVE_REQUIRE(message.payload.size() <= kMessageBytesMax);
      return (message.binary ? "b" : "t") + message.payload;
    }
    std::string operator()(const WsPing& ping) const {
      PERIJOVE_REQUIRE(ping.payload.size() <= 125);
      return "i" + ping.payload;
    }
    std::string operator()(const WsPong& pong) const {
      PERIJOVE_REQUIRE(pong.payload.size() <= 125);
      return "o" + pong.payload;
    }
    std::string operator()(const WsCloseReceived& close) const {
      PERIJOVE_REQUIRE(close.reason.size() <= 123);
      return "c" + std::to_string(close.code) + close.reason;
    }
    std::string operator()(const WsFault& fault) const {
      PERIJOVE_REQUIRE(!fault.reason.empty());
      return "f" + std::to_string(static_cast<int>(fault.code)) + fault.reason;
    }
  };
  return std::visit(Describe{}, event);
}

std::vector<std::string> read(ByteView bytes, std::size_t piece_size) {
  WsReader reader(kMessageBytesMax);
  std::vector<std::string> events;
  bool ended = false;
  while (!bytes.empty()) {
    // A copy of its own size, so that a read beyond it is seen.
    const std::vector<char> piece(bytes.begin(),
                                  bytes.begin() + std::min(piece_size, bytes.size()));
    bytes.remove_prefix(piece.size());
    for (ByteView rest(piece.data(), piece.size()); !rest.empty();) {
      const std::size_t before = rest.size();
      const auto event = reader.read(rest);
      PERIJOVE_REQUIRE(rest.size() < before);
      if (!event) {
        PERIJOVE_REQUIRE(rest.empty());
        continue;
      }
      PERIJOVE_REQUIRE(!ended);
      ended = std::holds_alternative<WsFault>(*event) ||
              std::holds_alternative<WsCloseReceived>(*event);
      events.push_back(describe(*event));
    }
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = read(bytes, bytes.size());
  PERIJOVE_REQUIRE(read(bytes, 1) == whole);
  PERIJOVE_REQUIRE(read(bytes, 1 + data[0]) == whole);
  return 0;
}
