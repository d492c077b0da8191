// Invariant: any text is a connection file or is refused; what is read, written and read again is
// the same, and written again gives the same bytes.
#include <cstddef>
#include <cstdint>

#include "protocol/connection_info.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const auto info = parse_connection_info({reinterpret_cast<const char*>(data), size});
  if (!info) {
    PERIJOVE_REQUIRE(info.error().code == Code::invalid_argument);
    PERIJOVE_REQUIRE(!info.error().message.empty());
    return 0;
  }
  const std::string text = to_connection_file(*info);
  const auto again = parse_connection_info(text);
  PERIJOVE_REQUIRE(again);
  PERIJOVE_REQUIRE(to_connection_file(*again) == text);
  for (const Channel channel :
       {Channel::shell, Channel::iopub, Channel::stdin_, Channel::control, Channel::heartbeat}) {
    PERIJOVE_REQUIRE(info->endpoint(channel) == again->endpoint(channel));
  }
  return 0;
}
