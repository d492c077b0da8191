// When fork servers are started, used and given up; what they do is tests/integration's.
#include "provision/fork_server.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/limits.hpp"
#include "io/process_tree.hpp"
#include "support/loop.hpp"

namespace perijove {
namespace {

using ::testing::HasSubstr;
using testing::run_until;

class ForkServersTest : public ::testing::Test {
 protected:
  ForkServersTest() { prepare_process_supervision(shard_); }
  ~ForkServersTest() override {
    servers_ = ForkServers();
    last_.reset();
    EXPECT_TRUE(run_until(shard_.loop(), [] { return children_of(getpid()).empty(); }));
  }

  static Kernelspec spec(const std::string& script) {
    Kernelspec made;
    made.name = "test";
    made.argv = {"sh"};
    const nlohmann::json command = {"{program}", "-c", script};
    made.metadata = nlohmann::json{{"perijove", {{"fork_server", command}}}}.dump();
    return made;
  }

  Result<std::shared_ptr<ForkServer>> find(const Kernelspec& spec) {
    return servers_.find(spec, {{"PATH", "/usr/bin:/bin"}}, [this](SpawnRequest command) {
      ++started_;
      last_ = ForkServer::start(shard_, std::move(command));
      return Result<std::shared_ptr<ForkServer>>(last_);
    });
  }

  bool until_it_has_failed() {
    return run_until(shard_.loop(), [this] { return !last_->failure().empty(); });
  }

  Shard shard_;
  TimePoint now_;
  int started_ = 0;
  std::shared_ptr<ForkServer> last_;
  ForkServers servers_{[this] { return now_; }};
};

TEST_F(ForkServersTest, OneThatWasNeverReadyIsTriedAgainAfterAPause) {
  const Kernelspec broken = spec("exit 3");
  const auto first = find(broken);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message, "it is starting");
  ASSERT_TRUE(until_it_has_failed());
  now_ += std::chrono::seconds(1);
  for (int i = 0; i < 3; ++i) {
    const auto next = find(broken);
    ASSERT_FALSE(next);
    EXPECT_THAT(next.error().message, HasSubstr("exited with code 3"));
  }
  EXPECT_EQ(started_, 1);
  now_ += limits::kForkServerRetry;
  EXPECT_THAT(find(broken).error().message, HasSubstr("exited with code 3")) << "the pause is over";
  EXPECT_EQ(find(broken).error().message, "it is starting");
  EXPECT_EQ(started_, 2);
}

TEST_F(ForkServersTest, OneThatHasEndedIsTriedAgainAtOnce) {
  // Says that it is ready, as a server does, and ends.
  const Kernelspec mortal = spec(R"(printf '{"ready":true}' >&3)");
  EXPECT_EQ(find(mortal).error().message, "it is starting");
  ASSERT_TRUE(until_it_has_failed());
  ASSERT_TRUE(last_->was_ready()) << last_->failure();
  EXPECT_FALSE(find(mortal));
  EXPECT_EQ(find(mortal).error().message, "it is starting");
  EXPECT_EQ(started_, 2);
}

TEST_F(ForkServersTest, OneThatIsDroppedAnswersFirst) {
  // Takes one request and refuses it.
  const Kernelspec slow = spec(
      R"(printf '{"ready":true}' >&3; dd bs=65536 count=1 <&3 >/dev/null 2>&1
         printf '{"id":1,"error":"no room"}' >&3; exec sleep 1000)");
  EXPECT_FALSE(find(slow));
  ASSERT_TRUE(run_until(shard_.loop(), [this] { return last_->ready(); }));
  std::optional<Error> refusal;
  last_->start_kernel({.connection_file = "/f", .work_dir = "/", .env = {}, .limits = {}}, {}, {},
                      [&](const Result<std::unique_ptr<ChildProcess>>& started) {
                        ASSERT_FALSE(started);
                        refusal = started.error();
                      });
  const std::weak_ptr<ForkServer> server = last_;
  servers_ = ForkServers();
  last_.reset();
  EXPECT_FALSE(server.expired());
  ASSERT_TRUE(run_until(shard_.loop(), [&] { return refusal.has_value(); }));
  EXPECT_EQ(refusal->message, "no room");
  EXPECT_TRUE(run_until(shard_.loop(), [&] { return server.expired(); }));
}

TEST_F(ForkServersTest, ThereAreNotTooMany) {
  for (std::size_t i = 0; i < limits::kForkServersMax; ++i) {
    EXPECT_EQ(find(spec("exec sleep 100" + std::to_string(i))).error().message, "it is starting");
  }
  EXPECT_THAT(find(spec("exec sleep 2000")).error().message, HasSubstr("fork servers already"));
}

TEST_F(ForkServersTest, AKernelspecWithoutOneIsNoFault) {
  Kernelspec plain;
  plain.argv = {"sh"};
  EXPECT_EQ(find(plain).error().code, Code::unimplemented);
}

}  // namespace
}  // namespace perijove
