// A Docker daemon that is away, for a while or for good.
#include <signal.h>

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "docker_test.hpp"

namespace perijove {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Stands between the provisioner and the daemon, and can take the daemon away.
class Relay {
 public:
  Relay(boost::asio::io_context& loop, std::string listen, std::string daemon)
      : loop_(loop), path_(std::move(listen)), daemon_(std::move(daemon)) {
    resume();
  }

  void resume() {
    acceptor_.emplace(loop_, Protocol::endpoint(path_));
    accept();
  }
  void cut() {
    acceptor_.reset();
    fs::remove(path_);
    boost::system::error_code ignored;
    for (const auto& socket : sockets_) socket->close(ignored);
    sockets_.clear();
  }

 private:
  using Protocol = boost::asio::local::stream_protocol;
  using Socket = std::shared_ptr<Protocol::socket>;

  void accept() {
    const auto client = std::make_shared<Protocol::socket>(loop_);
    acceptor_->async_accept(*client, [this, client](const boost::system::error_code& error) {
      if (error) return;
      const auto server = std::make_shared<Protocol::socket>(loop_);
      server->connect(Protocol::endpoint(daemon_));
      sockets_.push_back(client);
      sockets_.push_back(server);
      pump(client, server);
      pump(server, client);
      accept();
    });
  }
  void pump(const Socket& from, const Socket& to) {
    const auto buffer = std::make_shared<std::array<char, 4096>>();
    from->async_read_some(boost::asio::buffer(*buffer),
                          [this, from, to, buffer](const auto& error, std::size_t size) {
                            boost::system::error_code ignored;
                            if (error) {
                              to->shutdown(Protocol::socket::shutdown_send, ignored);
                              return;
                            }
                            boost::asio::write(*to, boost::asio::buffer(*buffer, size), ignored);
                            if (!ignored) pump(from, to);
                          });
  }

  boost::asio::io_context& loop_;
  std::string path_;
  std::string daemon_;
  std::optional<Protocol::acceptor> acceptor_;
  std::vector<Socket> sockets_;
};

class AwayTest : public DockerTest {
 protected:
  void SetUp() override {
    DockerTest::SetUp();
    if (IsSkipped()) return;
    const auto daemon = docker::parse_docker_host(daemon_of_the_tests());
    if (daemon->socket_path.empty()) GTEST_SKIP() << "the daemon has no unix socket";
    const std::string path = temp_.str() + "/relay.sock";
    relay_.emplace(shard_.loop(), path, daemon->socket_path);
    options_.host = "unix://" + path;
    provisioner_ = make_docker_provisioner(runtime_dir_, options_);
  }
  void TearDown() override {
    kernel_.reset();
    if (relay_) {
      // The provisioner's end blocks, and nobody would relay.
      EXPECT_TRUE(until([this] { return containers().empty(); }));
      relay_->cut();
    }
    DockerTest::TearDown();
  }
  std::optional<Relay> relay_;
};

TEST_F(AwayTest, AKernelLivesOnWhileItsDaemonIsAway) {
  launch(ipykernel());
  ASSERT_TRUE(until([this] { return !endpoints_.empty() || !failures_.empty(); })) << output_;
  relay_->cut();
  EXPECT_EQ(execute("x = 1"), "ok");
  boost::asio::steady_timer timer(shard_.loop(), std::chrono::milliseconds(500));
  bool waited = false;
  timer.async_wait([&](const auto&) { waited = true; });
  ASSERT_TRUE(until([&] { return waited; }));
  EXPECT_THAT(exits_, IsEmpty());
  relay_->resume();
  EXPECT_EQ(execute("import os; assert x == 1"), "ok");
  kernel_->kill();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
}

TEST_F(AwayTest, ADeathThatNobodySawIsToldWhenTheDaemonIsBack) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  relay_->cut();
  ASSERT_TRUE(ask("POST", "/containers/" + kernel_->describe().substr(10) + "/kill"));
  relay_->resume();
  ASSERT_TRUE(until([this] { return !exits_.empty(); }));
  EXPECT_EQ(exits_[0].signal, SIGKILL);
}

TEST_F(AwayTest, AnEndThatWasAskedForIsMadeUpFor) {
  launch(shell("echo ready; sleep 1000"));
  ASSERT_TRUE(until_output("ready"));
  relay_->cut();
  kernel_.reset();
  shard_.loop().restart();
  shard_.loop().run_one_for(std::chrono::milliseconds(5));
  EXPECT_EQ(containers().size(), 1u);
  relay_->resume();
  EXPECT_TRUE(until([this] { return containers().empty(); }));
}

// Without any daemon.
class NoDockerTest : public DockerTest {
 protected:
  void SetUp() override {}
  void TearDown() override {}
  Error failure_at(const std::string& host) {
    options_.host = host;
    provisioner_ = make_docker_provisioner(runtime_dir_, options_);
    const Error failure = failure_of(shell(""));
    std::optional<Result<std::vector<std::string>>> told;
    provisioner_->probe(shard_, [&](auto facts) { told = std::move(facts); });
    EXPECT_TRUE(until([&] { return told.has_value(); }));
    EXPECT_EQ(told->error().message, failure.message.substr(failure.message.find("Docker: ")));
    kernel_.reset();
    provisioner_.reset();
    failures_.clear();
    return failure;
  }
};

// rows: D24
TEST_F(NoDockerTest, ADaemonThatDoesNotRunIsToldWithItsRemedy) {
  const Error failure = failure_at("unix://" + temp_.str() + "/no.sock");
  EXPECT_EQ(failure.code, Code::unavailable);
  EXPECT_THAT(failure.message,
              AllOf(HasSubstr(temp_.str() + "/no.sock"), HasSubstr("systemctl start docker"),
                    HasSubstr("DOCKER_HOST")));
}

TEST_F(NoDockerTest, AnAddressThatIsNoneIsTold) {
  options_.host = "ssh://somewhere";
  provisioner_ = make_docker_provisioner(runtime_dir_, options_);
  EXPECT_EQ(provisioner_->check({}).error().code, Code::unimplemented);
  EXPECT_EQ(failure_of(shell("")).code, Code::unimplemented);
}

}  // namespace
}  // namespace perijove
