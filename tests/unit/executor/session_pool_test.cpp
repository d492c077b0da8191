#include "executor/session_pool.hpp"

#include <signal.h>

#include "executor/session_store.hpp"
#include "session_test.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SessionPoolTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped()) return;
    fs::create_directory(root());
    SessionStoreOptions options;
    options.work_root = root().string();
    store_.emplace(shard_, *registry_, std::move(options));
  }
  void TearDown() override {
    if (store_) stop_all();
    SessionTest::TearDown();
  }
  void stop_all() {
    bool stopped = false;
    store_->stop_all([&] { stopped = true; });
    EXPECT_TRUE(wait_until([&] { return stopped; }));
  }

  static SessionPoolOptions of(std::size_t size, std::size_t sessions_max = 0) {
    SessionPoolOptions options;
    options.name = "pool";
    options.size = size;
    options.sessions_max = sessions_max;
    return options;
  }
  std::shared_ptr<SessionPool> set(SessionPoolOptions options) {
    const auto pool = store_->set_pool(std::move(options));
    EXPECT_TRUE(pool) << pool.error();
    return pool ? *pool : nullptr;
  }
  bool wait_until_ready(const SessionPool& pool, std::size_t count) {
    return wait_until([&] { return pool.to_json()["ready"] == count; });
  }
  std::shared_ptr<CodeSession> take(const std::string& key = {}) {
    const auto session = store_->take("pool", key, {});
    EXPECT_TRUE(session) << session.error();
    return session ? *session : nullptr;
  }
  Result<void> release(const std::shared_ptr<CodeSession>& session) {
    std::optional<Result<void>> result;
    store_->release(session, [&](Result<void> done) { result = std::move(done); });
    EXPECT_TRUE(wait_until([&] { return result.has_value(); }));
    return *result;
  }
  std::size_t directories() const {
    std::error_code error;
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : fs::directory_iterator(root() / "sessions", error)) {
      ++count;
    }
    return count;
  }

  fs::path root() const { return temp_.path() / "root"; }

  std::optional<CodeSessionStore> store_;
};

// rows: H17
TEST_F(SessionPoolTest, ATakenSessionNeedsNoStart) {
  const auto pool = set(of(5));
  ASSERT_TRUE(wait_until_ready(*pool, 5));
  const std::size_t started = registry_->size();
  const auto session = take("mine");
  EXPECT_TRUE(session->ready());
  EXPECT_EQ(registry_->size(), started) << "no kernel was started for it";
  EXPECT_EQ(store_->find("mine"), session);
  const auto execution = session->execute(request("print here"));
  ASSERT_TRUE(execution);
  EXPECT_EQ(wait(*execution).stdout_text, "here\n");
  EXPECT_TRUE(wait_until_ready(*pool, 5)) << "another one takes its place";
}

TEST_F(SessionPoolTest, ThoseThatWaitAreNobodysYet) {
  const auto pool = set(of(2));
  ASSERT_TRUE(wait_until_ready(*pool, 2));
  EXPECT_THAT(store_->list(), IsEmpty());
}

TEST_F(SessionPoolTest, EachIsHandedOutOnce) {
  const auto pool = set(of(3));
  ASSERT_TRUE(wait_until_ready(*pool, 3));
  std::set<std::string> ids;
  std::set<std::string> work_dirs;
  for (int i = 0; i < 8; ++i) {  // more than are ready: those that start, and new ones
    const auto session = take();
    ASSERT_TRUE(session);
    EXPECT_TRUE(ids.insert(session->id()).second);
    EXPECT_TRUE(work_dirs.insert(session->options().work_dir).second);
  }
  EXPECT_EQ(pool->to_json()["taken"], 8);
}

TEST_F(SessionPoolTest, WhatATakenSessionIsAskedWaitsUntilItIsReady) {
  set(of(1));
  const auto session = take();
  const auto execution = session->execute(request("print soon"));
  ASSERT_TRUE(execution);
  EXPECT_EQ(wait(*execution).stdout_text, "soon\n");
}

// rows: H17
TEST_F(SessionPoolTest, NothingOfAReturnedSessionIsLeft) {
  const auto pool = set(of(1, 2));
  ASSERT_TRUE(wait_until_ready(*pool, 1));
  const auto session = take();
  const fs::path directory = session->options().work_dir;
  ASSERT_TRUE(session->directory().write("secret/of/mine", "bytes"));
  const auto released = release(session);
  EXPECT_TRUE(released) << released.error();
  EXPECT_TRUE(session->ended());
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_EQ(pool->to_json()["taken"], 0);
  const auto next = take();
  EXPECT_NE(next->id(), session->id());
  EXPECT_NE(next->options().work_dir, directory);
}

TEST_F(SessionPoolTest, ASessionThatEndsInstead_KeepsItsFiles) {
  const auto pool = set(of(1));
  const auto session = take();
  ASSERT_TRUE(session->directory().write("result", "bytes"));
  bool stopped = false;
  session->stop([&](const Result<void>&) { stopped = true; });
  ASSERT_TRUE(wait_until([&] { return stopped; }));
  EXPECT_TRUE(fs::exists(fs::path(session->options().work_dir) / "result"));
  EXPECT_EQ(pool->to_json()["taken"], 0);
}

TEST_F(SessionPoolTest, OnlyAPoolsSessionIsGivenBack) {
  const auto own = store_->create({});
  ASSERT_TRUE(own);
  const auto refused = release(*own);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_FALSE((*own)->ended());
}

TEST_F(SessionPoolTest, AtItsMaximumTheNextIsRefused) {
  const auto pool = set(of(1, 2));
  const auto first = take();
  take();
  const auto refused = store_->take("pool", "", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(pool->waiting(), 0U);
  ASSERT_TRUE(release(first));
  EXPECT_NE(take(), nullptr);
}

TEST_F(SessionPoolTest, AKernelThatDiedWhileItWaitedIsReplaced) {
  const auto pool = set(of(1));
  ASSERT_TRUE(wait_until_ready(*pool, 1));
  const KernelId lost = registry_->list().front()->id();
  const auto pids = kernel_pids();
  ASSERT_THAT(pids, SizeIs(1));
  ASSERT_EQ(kill(pids.front(), SIGKILL), 0);
  ASSERT_TRUE(wait_until(
      [&] { return registry_->find(lost) == nullptr && pool->to_json()["ready"] == 1; }));
  EXPECT_TRUE(take()->ready());
}

TEST_F(SessionPoolTest, AKeyIsGivenOnceAtATime) {
  set(of(1));
  ASSERT_TRUE(take("k"));
  const auto refused = store_->take("pool", "k", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::already_exists);
}

TEST_F(SessionPoolTest, TimesOfASessionBeginWhenItIsTaken) {
  SessionPoolOptions options = of(1);
  options.session.lifetime_max = std::chrono::milliseconds(50);
  const auto pool = set(std::move(options));
  ASSERT_TRUE(wait_until_ready(*pool, 1));
  bool later = false;
  boost::asio::steady_timer timer(shard_.loop(), std::chrono::milliseconds(100));
  timer.async_wait([&](const boost::system::error_code&) { later = true; });
  ASSERT_TRUE(wait_until([&] { return later; }));
  const auto session = take();
  ASSERT_FALSE(session->ended());
  EXPECT_TRUE(wait_until([&] { return session->ended(); }));
}

TEST_F(SessionPoolTest, AChangeReplacesThoseThatWait) {
  auto pool = set(of(2));
  ASSERT_TRUE(wait_until_ready(*pool, 2));
  SessionPoolOptions other = of(1);
  other.session.env = {{"COLOUR", "blue"}};
  EXPECT_EQ(set(std::move(other)), pool);
  ASSERT_TRUE(wait_until_ready(*pool, 1));
  const auto session = take();
  const auto execution = session->execute(request("env COLOUR"));
  ASSERT_TRUE(execution);
  EXPECT_THAT(wait(*execution).output, HasSubstr("blue"));
}

TEST_F(SessionPoolTest, TellsWhyNoneGetsReady) {
  install("broken", "broken", {"/bin/false"}, "signal");
  SessionPoolOptions options = of(1);
  options.session.kernel = "broken";
  const auto pool = set(std::move(options));
  ASSERT_TRUE(wait_until([&] { return pool->to_json()["last_error"].is_string(); }));
  EXPECT_EQ(pool->to_json()["ready"], 0);
}

TEST_F(SessionPoolTest, RefusesWhatNoPoolCanKeepReady) {
  SessionPoolOptions unknown = of(1);
  unknown.session.kernel = "ecko";
  const auto refused = store_->set_pool(unknown);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::not_found);
  EXPECT_THAT(refused.error().message, HasSubstr("did you mean 'echo'"));
  SessionPoolOptions restricted = of(1);
  restricted.session.policies.restricted = true;
  EXPECT_EQ(store_->set_pool(restricted).error().code, Code::invalid_argument);
  EXPECT_EQ(store_->take("pool", "", {}).error().code, Code::not_found);
}

TEST_F(SessionPoolTest, ARemovedPoolLeavesNothingBehind) {
  const auto pool = set(of(2));
  ASSERT_TRUE(wait_until_ready(*pool, 2));
  const auto taken = take();
  EXPECT_TRUE(store_->remove_pool("pool"));
  EXPECT_FALSE(store_->remove_pool("pool"));
  EXPECT_TRUE(wait_until([&] { return registry_->size() == 1 && directories() == 1; }));
  EXPECT_FALSE(taken->ended());
  EXPECT_TRUE(release(taken)) << "its files are its client's to throw away still";
}

TEST_F(SessionPoolTest, StoppingLeavesNothingOfThoseThatWaited) {
  const auto pool = set(of(2));
  ASSERT_TRUE(wait_until_ready(*pool, 2));
  stop_all();
  EXPECT_EQ(registry_->size(), 0U);
  EXPECT_EQ(directories(), 0U);
}

}  // namespace
}  // namespace perijove
