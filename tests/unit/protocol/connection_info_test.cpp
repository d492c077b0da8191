#include "protocol/connection_info.hpp"

#include <gmock/gmock.h>

#include "support/golden.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::read_golden;

ConnectionInfo read(const std::string& text) {
  auto info = parse_connection_info(text);
  EXPECT_TRUE(info) << info.error();
  return *info;
}

// A valid file with one member replaced or added.
std::string with(const std::string& member) {
  return R"({"shell_port":1,"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5,)" + member +
         "}";
}

TEST(ConnectionInfo, ReadsWhatJupyterClientWrites) {
  const ConnectionInfo info = read(read_golden("documents/connection_tcp.json"));
  EXPECT_EQ(info.transport, Transport::tcp);
  EXPECT_EQ(info.key, "3e8c1f0a-9d1b8c");
  EXPECT_EQ(info.signature_scheme, "hmac-sha256");
  EXPECT_EQ(info.kernel_name, "python3");
  EXPECT_EQ(info.endpoint(Channel::shell), "tcp://127.0.0.1:40001");
  EXPECT_EQ(info.endpoint(Channel::iopub), "tcp://127.0.0.1:40002");
  EXPECT_EQ(info.endpoint(Channel::stdin_), "tcp://127.0.0.1:40003");
  EXPECT_EQ(info.endpoint(Channel::heartbeat), "tcp://127.0.0.1:40004");
  EXPECT_EQ(info.endpoint(Channel::control), "tcp://127.0.0.1:40005");
}

TEST(ConnectionInfo, ReadsIpcEndpoints) {
  const ConnectionInfo info = read(read_golden("documents/connection_ipc.json"));
  EXPECT_EQ(info.transport, Transport::ipc);
  EXPECT_EQ(info.endpoint(Channel::shell), "ipc:///run/user/1000/kernels/caf\xc3\xa9-40001");
}

TEST(ConnectionInfo, WritesTheBytesThatJupyterClientWrites) {
  for (const char* name : {"documents/connection_tcp.json", "documents/connection_ipc.json"}) {
    const std::string golden = read_golden(name);
    EXPECT_EQ(to_connection_file(read(golden)), golden);
  }
}

TEST(ConnectionInfo, PutsIpv6AddressesInBrackets) {
  ConnectionInfo info;
  info.ip = "::1";
  info.shell_port = 7;
  EXPECT_EQ(info.endpoint(Channel::shell), "tcp://[::1]:7");
  info.ip = "[::1]";
  EXPECT_EQ(info.endpoint(Channel::shell), "tcp://[::1]:7");
}

TEST(ConnectionInfo, HasDefaultsForAllButThePorts) {
  const ConnectionInfo info = read(with(R"("ip":"127.0.0.1")"));
  EXPECT_EQ(info.transport, Transport::tcp);
  EXPECT_EQ(info.key, "");
  EXPECT_EQ(info.signature_scheme, "hmac-sha256");
}

TEST(ConnectionInfo, IgnoresKeysOfOtherVersions) {
  read(with(R"("curve_publickey":"abc","jupyter_session":3)"));
}

struct Refusal {
  std::string text;
  std::string reason;
};

TEST(ConnectionInfo, NamesTheFieldThatIsWrong) {
  const Refusal refusals[] = {
      {with(R"("hb_port":"5")"),
       "field 'hb_port' must be an integer from 1 to 65535, not a string"},
      {with(R"("hb_port":5.0)"), "field 'hb_port' must be an integer"},
      {with(R"("hb_port":0)"), "field 'hb_port' must be an integer from 1 to 65535"},
      {with(R"("hb_port":65536)"), "field 'hb_port'"},
      {with(R"("hb_port":-1)"), "field 'hb_port'"},
      {with(R"("hb_port":18446744073709551615)"), "field 'hb_port'"},
      {with(R"("hb_port":true)"),
       "field 'hb_port' must be an integer from 1 to 65535, not a boolean"},
      {R"({"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5})",
       "field 'shell_port' is missing"},
      {with(R"("transport":"udp")"), "field 'transport' must be 'tcp' or 'ipc'"},
      {with(R"("transport":null)"), "field 'transport' must be a string, not null"},
      {with(R"("ip":"")"), "field 'ip' must not be empty"},
      {with(R"("ip":"a\u0000b")"), "field 'ip'"},
      {with(R"("key":["k"])"), "field 'key' must be a string, not an array"},
      {with(R"("signature_scheme":"")"), "field 'signature_scheme' must not be empty"},
      {with(R"("kernel_name":{})"), "field 'kernel_name' must be a string, not an object"},
      {"[]", "connection file: must be a JSON object, not an array"},
      {"", "connection file: "},
  };
  for (const auto& [text, reason] : refusals) {
    const auto info = parse_connection_info(text);
    ASSERT_FALSE(info) << text;
    EXPECT_EQ(info.error().code, Code::invalid_argument);
    EXPECT_THAT(info.error().message, HasSubstr(reason)) << text;
  }
}

TEST(ConnectionInfo, KeepsTheKeyOutOfItsErrors) {
  const auto info = parse_connection_info(with(R"("key":"s3cr3t","signature_scheme":0)"));
  ASSERT_FALSE(info);
  EXPECT_THAT(info.error().message, Not(HasSubstr("s3cr3t")));
}

TEST(ConnectionInfo, TakesIpcSuffixesThatAreNoPorts) {
  const ConnectionInfo info =
      read(with(R"("transport":"ipc","ip":"/run/kernel","shell_port":100000)"));
  EXPECT_EQ(info.endpoint(Channel::shell), "ipc:///run/kernel-100000");
}

}  // namespace
}  // namespace perijove
