#include "io/endpoints.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <set>
#include <zmq.hpp>

#include "support/temp_dir.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

FileDescriptor bind_tcp(int port, bool reuse, int* failure = nullptr) {
  FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (reuse) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (failure != nullptr) *failure = errno;
    return {};
  }
  return fd;
}

constexpr std::size_t kPorts = 5;

TEST(HeldPorts, AreFiveBelowTheEphemeralRange) {
  const auto held = HeldPorts::take("127.0.0.1");
  ASSERT_TRUE(held) << held.error();
  std::set<int> distinct;
  for (std::size_t i = 0; i < kPorts; ++i) {
    distinct.insert(held->port(i));
    EXPECT_GE(held->port(i), 10'000);
    EXPECT_LT(held->port(i), 32'768);
  }
  EXPECT_EQ(distinct.size(), kPorts);
}

TEST(HeldPorts, AreNobodyElsesWhileTheyAreHeld) {
  std::vector<int> ports;
  {
    const auto held = HeldPorts::take("127.0.0.1");
    ASSERT_TRUE(held) << held.error();
    for (std::size_t i = 0; i < kPorts; ++i) {
      ports.push_back(held->port(i));
      int failure = 0;
      EXPECT_FALSE(bind_tcp(ports[i], /*reuse=*/false, &failure));
      EXPECT_EQ(failure, EADDRINUSE);
    }
  }
  for (const int port : ports) EXPECT_TRUE(bind_tcp(port, /*reuse=*/false)) << "given back";
}

TEST(HeldPorts, LetAKernelListenOnThem) {
  const auto held = HeldPorts::take("127.0.0.1");
  ASSERT_TRUE(held) << held.error();
  zmq::context_t context;
  zmq::socket_t kernel(context, zmq::socket_type::router);
  zmq::socket_t client(context, zmq::socket_type::dealer);
  for (zmq::socket_t* socket : {&kernel, &client}) {
    socket->set(zmq::sockopt::linger, 0);
    socket->set(zmq::sockopt::rcvtimeo, 30'000);
  }
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(held->port(0));
  ASSERT_NO_THROW(kernel.bind(endpoint));
  client.connect(endpoint);
  client.send(zmq::str_buffer("hello"), zmq::send_flags::none);
  zmq::message_t identity, text;
  ASSERT_TRUE(kernel.recv(identity));
  ASSERT_TRUE(kernel.recv(text));
  EXPECT_EQ(text.to_string(), "hello");
}

TEST(HeldPorts, NeverOverlap) {
  std::vector<HeldPorts> all;
  std::set<int> ports;
  for (int i = 0; i < 50; ++i) {
    auto held = HeldPorts::take("127.0.0.1");
    ASSERT_TRUE(held) << held.error();
    for (std::size_t at = 0; at < kPorts; ++at) ports.insert(held->port(at));
    all.push_back(*std::move(held));
  }
  EXPECT_EQ(ports.size(), 50 * kPorts);
}

TEST(HeldPorts, RefuseWhatIsNoAddressOfThisMachine) {
  const auto no_address = HeldPorts::take("localhost");
  ASSERT_FALSE(no_address);
  EXPECT_EQ(no_address.error().code, Code::invalid_argument);
  EXPECT_THAT(no_address.error().message, HasSubstr("'localhost'"));
  EXPECT_FALSE(HeldPorts::take("192.0.2.1"));  // reserved for documentation
}

// A kernel whose sockets are made and replaced by the test.
class PinnedEndpointsTest : public ::testing::Test {
 protected:
  PinnedEndpointsTest() {
    info_.transport = Transport::ipc;
    info_.ip = (temp_.path() / "k").string();
    info_.shell_port = 1;
    info_.iopub_port = 2;
    info_.stdin_port = 3;
    info_.control_port = 4;
    info_.heartbeat_port = 5;
  }

  std::string path(int number) const { return info_.ip + "-" + std::to_string(number); }

  // A listening socket at the path; open until the end of the test.
  void bind_unix(const std::string& path) {
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fd.get(), 1), 0);
    sockets_.push_back(std::move(fd));
  }
  void bind_all() {
    for (int number = 1; number <= 4; ++number) bind_unix(path(number));
  }

  testing::TempDir temp_;
  ConnectionInfo info_;
  std::vector<FileDescriptor> sockets_;
};

TEST_F(PinnedEndpointsTest, WaitForAllFourSockets) {
  PinnedEndpoints pinned;
  for (int number = 1; number <= 4; ++number) {
    const auto tried = PinnedEndpoints::try_pin(info_, pinned);
    ASSERT_TRUE(tried) << tried.error();
    EXPECT_FALSE(*tried) << number;
    EXPECT_EQ(pinned.endpoint(Channel::shell), "") << "nothing is pinned by half";
    bind_unix(path(number));
  }
  const auto tried = PinnedEndpoints::try_pin(info_, pinned);
  ASSERT_TRUE(tried) << tried.error();
  EXPECT_TRUE(*tried);
  std::set<std::string> endpoints;
  for (const Channel channel :
       {Channel::shell, Channel::iopub, Channel::stdin_, Channel::control}) {
    EXPECT_THAT(pinned.endpoint(channel), StartsWith("ipc:///proc/self/fd/"));
    endpoints.insert(pinned.endpoint(channel));
  }
  EXPECT_EQ(endpoints.size(), 4u);
}

TEST_F(PinnedEndpointsTest, RefuseASymbolicLinkInPlaceOfASocket) {
  bind_unix((temp_.path() / "docker.sock").string());
  bind_all();
  fs::remove(path(2));
  fs::create_symlink(temp_.path() / "docker.sock", path(2));
  PinnedEndpoints pinned;
  const auto tried = PinnedEndpoints::try_pin(info_, pinned);
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().code, Code::permission_denied);
  EXPECT_THAT(tried.error().message, HasSubstr(path(2)));
  EXPECT_EQ(pinned.endpoint(Channel::shell), "");
}

TEST_F(PinnedEndpointsTest, RefuseADanglingLinkToo) {
  bind_all();
  fs::remove(path(3));
  fs::create_symlink(temp_.path() / "nowhere", path(3));
  PinnedEndpoints pinned;
  EXPECT_EQ(PinnedEndpoints::try_pin(info_, pinned).error().code, Code::permission_denied);
}

TEST_F(PinnedEndpointsTest, RefuseWhatIsNoSocket) {
  bind_all();
  fs::remove(path(4));
  std::ofstream(path(4)) << "a file";
  PinnedEndpoints pinned;
  EXPECT_EQ(PinnedEndpoints::try_pin(info_, pinned).error().code, Code::permission_denied);
  fs::remove(path(4));
  fs::create_directory(path(4));
  EXPECT_EQ(PinnedEndpoints::try_pin(info_, pinned).error().code, Code::permission_denied);
  fs::remove(path(4));
  ASSERT_EQ(mkfifo(path(4).c_str(), 0600), 0);
  EXPECT_EQ(PinnedEndpoints::try_pin(info_, pinned).error().code, Code::permission_denied);
}

TEST_F(PinnedEndpointsTest, RefuseTheSocketOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a socket to another user";
  bind_all();
  ASSERT_EQ(chown(path(1).c_str(), 65534, 65534), 0);
  PinnedEndpoints pinned;
  EXPECT_EQ(PinnedEndpoints::try_pin(info_, pinned).error().code, Code::permission_denied);
}

TEST_F(PinnedEndpointsTest, StayOnTheSocketThatWasThereFirst) {
  zmq::context_t context;
  const auto make = [&](zmq::socket_type type) {
    zmq::socket_t socket(context, type);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::rcvtimeo, 30'000);
    return socket;
  };
  zmq::socket_t first = make(zmq::socket_type::router);
  first.bind("ipc://" + path(1));
  for (int number = 2; number <= 4; ++number) bind_unix(path(number));
  PinnedEndpoints pinned;
  const auto tried = PinnedEndpoints::try_pin(info_, pinned);
  ASSERT_TRUE(tried) << tried.error();
  ASSERT_TRUE(*tried);

  // What a kernel may do once it runs: another socket under the same path.
  fs::rename(path(1), path(1) + "-moved");
  zmq::socket_t second = make(zmq::socket_type::router);
  second.bind("ipc://" + path(1));

  zmq::socket_t client = make(zmq::socket_type::dealer);
  client.connect(pinned.endpoint(Channel::shell));
  client.send(zmq::str_buffer("hello"), zmq::send_flags::none);
  zmq::message_t identity, text;
  ASSERT_TRUE(first.recv(identity));
  ASSERT_TRUE(first.recv(text));
  EXPECT_EQ(text.to_string(), "hello");
  EXPECT_FALSE(second.recv(identity, zmq::recv_flags::dontwait));
}

}  // namespace
}  // namespace perijove
