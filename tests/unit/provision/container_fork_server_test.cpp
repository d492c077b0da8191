// What a gateway makes of the words of a fork server in a container, which may be anybody's.
#include "provision/docker/container_fork_server.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove::docker {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ContainerForkServerTest : public ::testing::Test {
 protected:
  std::string path() const { return temp_.str() + "/socket"; }

  FileDescriptor bound() const {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  Result<std::shared_ptr<ContainerForkServer>> connect(uid_t owner = ::geteuid()) {
    return ContainerForkServer::connect(
        shard_, path(), owner,
        {.on_ready = [this] { told_.emplace_back("ready"); },
         .on_refused = [this](const std::string& why) { told_.push_back("refused: " + why); },
         .on_exit = [this](const ProcessExit& exit) { told_.push_back(describe(exit)); },
         .on_end = [this](const std::string& why) { told_.push_back("end: " + why); }});
  }

  // The server's end, once the gateway has connected.
  void begin() {
    const FileDescriptor listener = bound();
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    auto connected = connect();
    ASSERT_TRUE(connected) << connected.error();
    server_ = *connected;
    ASSERT_TRUE(server_);
    peer_ = FileDescriptor(::accept(listener.get(), nullptr, nullptr));
  }
  void say(const std::string& text) {
    ASSERT_EQ(::send(peer_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  json asked() {
    std::string packet(1 << 16, '\0');
    const ssize_t got = ::recv(peer_.get(), packet.data(), packet.size(), 0);
    return *parse_json(packet.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
  }
  bool until_told(std::size_t count) {
    return testing::run_until(shard_.loop(), [&] { return told_.size() >= count; });
  }

  testing::TempDir temp_;
  Shard shard_;
  std::shared_ptr<ContainerForkServer> server_;
  FileDescriptor peer_;
  std::vector<std::string> told_;
};

TEST_F(ContainerForkServerTest, IsLookedForUntilItListens) {
  EXPECT_EQ(connect().value(), nullptr);
  const FileDescriptor listener = bound();
  EXPECT_EQ(connect().value(), nullptr);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_NE(connect().value(), nullptr);
}

TEST_F(ContainerForkServerTest, IsASocketOfTheKernelsUserAndNoLink) {
  const FileDescriptor listener = bound();
  EXPECT_EQ(connect(::geteuid() + 1).error().code, Code::permission_denied);
  std::filesystem::rename(path(), temp_.str() + "/other");
  std::filesystem::create_symlink("other", path());
  EXPECT_EQ(connect().error().code, Code::permission_denied);
}

TEST_F(ContainerForkServerTest, TellsTheEndOfTheKernelThatItHasStartedLast) {
  begin();
  say(R"({"ready": true})");
  say(R"({"ready": true})");
  ASSERT_TRUE(until_told(1));
  ASSERT_TRUE(server_->start_kernel("/run/file", "/workspace"));
  EXPECT_EQ(asked(), (json{{"id", 1}, {"connection_file", "/run/file"}, {"cwd", "/workspace"}}));
  say(R"({"exited": 40, "code": 1})");  // none that was asked for
  say(R"({"id": 1, "pid": 41})");
  say(R"({"exited": 41, "code": 7})");
  ASSERT_TRUE(until_told(2));
  ASSERT_TRUE(server_->start_kernel("/run/file", "/workspace"));
  EXPECT_EQ(asked()["id"], 2);
  say(R"({"id": 1, "pid": 41})");
  say(R"({"id": 2, "pid": 42})");
  say(R"({"exited": 41, "code": 0})");
  say(R"({"exited": 42, "signal": 15})");
  ASSERT_TRUE(until_told(3));
  EXPECT_THAT(told_,
              ElementsAre("ready", "exited with code 7", "was killed by signal 15 (SIGTERM)"));
  server_->signal(15);
  EXPECT_EQ(asked(), (json{{"signal", 15}}));
}

TEST_F(ContainerForkServerTest, TellsWhyNoKernelIsStarted) {
  begin();
  ASSERT_TRUE(server_->start_kernel("/run/file", "/workspace"));
  say(R"({"id": 1, "error": "no process left"})");
  ASSERT_TRUE(until_told(1));
  EXPECT_THAT(told_, ElementsAre("refused: no process left"));
}

TEST_F(ContainerForkServerTest, EndsOnceWithNonsenseOrWithItsPeer) {
  begin();
  say("{");
  say(R"({"ready": true})");
  ASSERT_TRUE(until_told(1));
  EXPECT_THAT(told_[0], HasSubstr("no JSON object"));
  EXPECT_FALSE(server_->is_there());
  EXPECT_FALSE(server_->start_kernel("/run/file", "/workspace"));

  std::filesystem::remove(path());
  told_.clear();
  begin();
  EXPECT_TRUE(server_->is_there());
  peer_ = FileDescriptor();
  ASSERT_TRUE(until_told(1));
  EXPECT_THAT(told_, ElementsAre("end: it has ended"));
  EXPECT_FALSE(server_->is_there());
}

TEST_F(ContainerForkServerTest, WhatItsWordsAreNotIsLeftAside) {
  begin();
  ASSERT_TRUE(server_->start_kernel("/run/file", "/workspace"));
  for (const char* const text : {"{}", R"({"id": "1", "pid": 2})", R"({"id": 5, "pid": 2})",
                                 R"({"exited": -1})", R"({"exited": "x", "code": []})",
                                 R"({"id": 1, "pid": 7})", R"({"exited": 7, "code": {}})"}) {
    say(text);
  }
  ASSERT_TRUE(until_told(1));
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_THAT(told_[0], HasSubstr("exited"));
}

}  // namespace
}  // namespace perijove::docker
