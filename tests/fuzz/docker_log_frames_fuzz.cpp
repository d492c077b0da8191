// Invariant: the payloads that frames hold are the same in whatever pieces the bytes come, and
// nothing is told behind what is no frame.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "provision/docker/log_frames.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove::docker;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string whole, pieces;
  LogFrames first([&](int stream, std::string_view payload) {
    PERIJOVE_REQUIRE(stream >= 0 && stream <= 2);
    whole += payload;
  });
  const bool right = first.feed(bytes);
  PERIJOVE_REQUIRE(whole.size() <= bytes.size());

  LogFrames second([&](int, std::string_view payload) { pieces += payload; });
  bool still_right = true;
  for (std::size_t at = 0; at < size;) {
    const std::size_t length = 1 + data[at] % 7;
    still_right = second.feed(bytes.substr(at, length));
    at += length;
  }
  PERIJOVE_REQUIRE(size == 0 || right == still_right);
  PERIJOVE_REQUIRE(whole == pieces);
  return 0;
}
