#include "engine/kernel_pool.hpp"

#include <signal.h>

#include <fstream>
#include <set>

#include "support/registry_test.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KernelPoolTest : public RegistryTest {
 protected:
  void SetUp() override {
    RegistryTest::SetUp();
    if (IsSkipped()) return;
    listening_ =
        registry_->listen([this](const KernelEvent& event) { events_.push_back(event.action); });
  }

  void keep_warm(std::size_t count, const std::string& name = "echo") {
    const auto kept = registry_->keep_warm(name, count);
    ASSERT_TRUE(kept) << kept.error();
  }
  const KernelPool& pool(const std::string& name = "echo") const {
    return *registry_->pools().at(name);
  }
  bool wait_until_ready(std::size_t count) {
    return wait_until([&] { return pool().ready() == count; });
  }
  std::shared_ptr<Kernel> start(StartKernel request = {}) {
    const auto kernel = registry_->start(request);
    EXPECT_TRUE(kernel) << kernel.error();
    return kernel ? *kernel : nullptr;
  }

  // Of this process: a kernel that waits tells nobody which process is its.
  static std::vector<pid_t> children() {
    const std::string self = std::to_string(getpid());
    std::ifstream file("/proc/self/task/" + self + "/children");
    std::vector<pid_t> pids;
    for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
    return pids;
  }

  std::shared_ptr<void> listening_;
  std::vector<std::string> events_;
};

TEST_F(KernelPoolTest, AStartGetsAKernelThatRunsAlready) {
  keep_warm(2);
  ASSERT_TRUE(wait_until_ready(2));
  const auto kernel = start();
  EXPECT_EQ(kernel->state(), lifecycle::State::ready);
  EXPECT_EQ(registry_->find(kernel->id()), kernel);
  EXPECT_THAT(events_, ElementsAre("start", "ready")) << "as of any other";
  EXPECT_TRUE(wait_until_ready(2)) << "another one takes its place";
}

TEST_F(KernelPoolTest, ThoseThatWaitAreListedNowhere) {
  keep_warm(1);
  ASSERT_TRUE(wait_until_ready(1));
  EXPECT_THAT(registry_->list(), IsEmpty());
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(KernelPoolTest, EachIsHandedOutOnce) {
  keep_warm(3);
  ASSERT_TRUE(wait_until_ready(3));
  std::set<std::string> ids;
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(ids.insert(start()->id().str()).second);
}

TEST_F(KernelPoolTest, WhoeverWantsAnotherLaunchGetsAKernelOfHisOwn) {
  keep_warm(1);
  ASSERT_TRUE(wait_until_ready(1));
  std::filesystem::create_directory(temp_.path() / "below");
  StartKernel env;
  env.env = {{"KERNEL_USERNAME", "mo"}};
  StartKernel path;
  path.path = "below";
  StartKernel session;
  session.session_name = "a.ipynb";
  StartKernel limited;
  limited.limits.open_files_max = 512;
  StartKernel named;
  named.id = KernelId("01234567-89ab-cdef-0123-456789abcdef");
  StartKernel other;
  other.name = "shout";
  for (const StartKernel& each : {env, path, session, limited, named, other}) {
    EXPECT_NE(start(each)->state(), lifecycle::State::ready);
  }
  EXPECT_EQ(pool().ready(), 1U);
  EXPECT_EQ(start()->state(), lifecycle::State::ready);
}

TEST_F(KernelPoolTest, OneThatDiedWhileItWaitedIsReplaced) {
  keep_warm(1);
  ASSERT_TRUE(wait_until_ready(1));
  const auto processes = children();
  ASSERT_THAT(processes, SizeIs(1));
  ASSERT_EQ(kill(processes.front(), SIGKILL), 0);
  ASSERT_TRUE(wait_until([&] { return pool().ready() == 1 && children() != processes; }));
  EXPECT_EQ(start()->state(), lifecycle::State::ready);
}

TEST_F(KernelPoolTest, AChangedKernelspecIsNotServedByOldKernels) {
  keep_warm(1);
  ASSERT_TRUE(wait_until_ready(1));
  install("echo", "changed", {kEchoKernel, "-f", "{connection_file}"}, "message");
  EXPECT_EQ(start()->spec().language, "changed");
  ASSERT_TRUE(wait_until_ready(1));
  const auto next = start();
  EXPECT_EQ(next->state(), lifecycle::State::ready);
  EXPECT_EQ(next->spec().language, "changed");
}

class LimitedKernelPoolTest : public KernelPoolTest {
 protected:
  LimitedKernelPoolTest() { kernels_max_ = 1; }
};

TEST_F(LimitedKernelPoolTest, TheMaximumIsOfThoseInUse) {
  keep_warm(2);
  ASSERT_TRUE(wait_until_ready(2));
  EXPECT_EQ(start()->state(), lifecycle::State::ready);
  const auto refused = registry_->start({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_TRUE(wait_until_ready(2));
}

TEST_F(KernelPoolTest, AnUnknownKernelspecIsRefused) {
  const auto refused = registry_->keep_warm("ecko", 1);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("did you mean 'echo'"));
}

TEST_F(KernelPoolTest, DrainingEndsThoseThatWait) {
  keep_warm(2);
  ASSERT_TRUE(wait_until_ready(2));
  registry_->drain();
  EXPECT_TRUE(wait_until([&] { return children().empty(); }));
}

}  // namespace
}  // namespace perijove
