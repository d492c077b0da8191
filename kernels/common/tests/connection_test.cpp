#include "common/connection.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

namespace perijove::kernels {
namespace {

/// A connection file that is removed with the test.
class ConnectionFile : public ::testing::Test {
 protected:
  void SetUp() override {
    const int fd = mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    close(fd);
  }
  void TearDown() override { unlink(path_.c_str()); }

  Connection read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_connection_file(path_);
  }

  std::string complaint_about(const std::string& text) {
    try {
      read(text);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  }

  std::string path_ = ::testing::TempDir() + "connection-XXXXXX";
};

constexpr const char* kPorts =
    R"("shell_port":1,"control_port":2,"stdin_port":3,"iopub_port":4,"hb_port":5)";

TEST_F(ConnectionFile, IsReadWithItsDefaults) {
  const Connection connection =
      read(std::string(R"({"ip":"127.0.0.1","key":"k","kernel_name":"x",)") + kPorts + '}');
  EXPECT_EQ(connection.transport, "tcp");
  EXPECT_EQ(connection.signature_scheme, "hmac-sha256");
  EXPECT_EQ(connection.key, "k");
  EXPECT_EQ(connection.hb_port, 5);
}

TEST_F(ConnectionFile, ComplaintsNameTheCause) {
  EXPECT_NE(complaint_about("").find("not usable"), std::string::npos);
  EXPECT_NE(complaint_about("[]").find("not usable"), std::string::npos);
  EXPECT_NE(complaint_about(std::string(R"({"ip":"","transport":"ipc",)") + kPorts + '}')
                .find("'key' not found"),
            std::string::npos);
  EXPECT_NE(complaint_about(R"({"ip":"","key":"","shell_port":65536})").find("shell_port is 65536"),
            std::string::npos);
}

TEST_F(ConnectionFile, ThatDoesNotExistIsNamed) {
  try {
    read_connection_file("/nowhere/connection.json");
    FAIL() << "read what is not there";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "cannot read the connection file '/nowhere/connection.json'");
  }
}

TEST(Connection, EndpointsOfEachTransport) {
  Connection connection;
  connection.transport = "tcp";
  connection.ip = "127.0.0.1";
  EXPECT_EQ(connection.endpoint(5555), "tcp://127.0.0.1:5555");
  connection.ip = "::1";
  EXPECT_EQ(connection.endpoint(5555), "tcp://[::1]:5555");
  connection.transport = "ipc";
  connection.ip = "/run/k";
  EXPECT_EQ(connection.endpoint(1), "ipc:///run/k-1");
  EXPECT_EQ(connection.ipc_path(1), "/run/k-1");
}

}  // namespace
}  // namespace perijove::kernels
