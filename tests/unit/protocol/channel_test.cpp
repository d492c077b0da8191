#include "protocol/channel.hpp"

#include <gtest/gtest.h>

namespace perijove {
namespace {

TEST(Channel, HasTheNamesOfConnectionFiles) {
  EXPECT_EQ(to_string(Channel::shell), "shell");
  EXPECT_EQ(to_string(Channel::iopub), "iopub");
  EXPECT_EQ(to_string(Channel::stdin_), "stdin");
  EXPECT_EQ(to_string(Channel::control), "control");
  EXPECT_EQ(to_string(Channel::heartbeat), "hb");
}

TEST(Channel, IsFoundByTheNamesOfWebsocketMessages) {
  EXPECT_EQ(channel_from_name("shell"), Channel::shell);
  EXPECT_EQ(channel_from_name("iopub"), Channel::iopub);
  EXPECT_EQ(channel_from_name("stdin"), Channel::stdin_);
  EXPECT_EQ(channel_from_name("control"), Channel::control);
}

TEST(Channel, RefusesHeartbeatAndUnknownNamesOnAWebsocket) {
  EXPECT_EQ(channel_from_name("hb"), std::nullopt);
  EXPECT_EQ(channel_from_name("Shell"), std::nullopt);
  EXPECT_EQ(channel_from_name(""), std::nullopt);
}

}  // namespace
}  // namespace perijove
