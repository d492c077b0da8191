#include "perijove/executor_pool.hpp"

#include <gmock/gmock.h>

#include <set>

#include "executor_test.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

class ExecutorPoolTest : public ExecutorTest {
 protected:
  ExecutorPool make(std::size_t size) const {
    auto pool = ExecutorPool::create(options(), size);
    if (!pool) throw std::runtime_error(pool.error().message);
    return *std::move(pool);
  }
  static Executor acquire(ExecutorPool& pool) {
    auto executor = pool.acquire();
    if (!executor) throw std::runtime_error(executor.error().message);
    return *std::move(executor);
  }
  std::size_t directories() const {
    std::error_code error;
    const fs::directory_iterator all(options().work_dir, error);
    return error ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
};

// rows: H17
TEST_F(ExecutorPoolTest, ATakenExecutorNeedsNoStart) {
  ExecutorPool pool = make(5);
  ASSERT_TRUE(eventually([&] { return pool.ready() == 5; }));
  const std::size_t started = directories();
  Executor executor = acquire(pool);
  EXPECT_EQ(executor.work_dir().find(options().work_dir), 0U);
  EXPECT_GE(pool.ready(), 4U);
  EXPECT_EQ(started, 5U);
  EXPECT_EQ(run(executor, "print here").stdout_text, "here\n");
  EXPECT_TRUE(eventually([&] { return pool.ready() == 5; })) << "another one takes its place";
}

// rows: H17
TEST_F(ExecutorPoolTest, NothingOfAReturnedExecutorIsLeft) {
  ExecutorPool pool = make(1);
  Executor first = acquire(pool);
  run(first, "set secret 41");
  ASSERT_TRUE(first.write_file("secret/of/mine", "bytes"));
  const std::string directory = first.work_dir();
  const pid_t pid = kernel_pid(first);
  const auto released = pool.release(std::move(first));
  EXPECT_TRUE(released) << released.error();
  EXPECT_FALSE(testing::is_running(pid));
  EXPECT_FALSE(fs::exists(directory));
  Executor next = acquire(pool);
  EXPECT_NE(next.work_dir(), directory);
  EXPECT_NE(run(next, "get secret").status, CodeStatus::ok);
}

TEST_F(ExecutorPoolTest, StartsOneWhenNoneIsReady) {
  ExecutorPool pool = make(1);
  std::vector<Executor> taken;
  std::set<std::string> work_dirs;
  for (int i = 0; i < 4; ++i) {
    taken.push_back(acquire(pool));
    EXPECT_TRUE(work_dirs.insert(taken.back().work_dir()).second);
  }
}

TEST_F(ExecutorPoolTest, AnExecutorThatIsDestroyedKeepsItsFiles) {
  ExecutorPool pool = make(1);
  std::string file;
  {
    Executor executor = acquire(pool);
    ASSERT_TRUE(executor.write_file("result", "bytes"));
    file = executor.work_dir() + "/result";
  }
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(ExecutorPoolTest, TakesBackOnlyItsOwn) {
  ExecutorPool pool = make(1);
  ExecutorOptions elsewhere = options();
  elsewhere.work_dir = temp_.str() + "/elsewhere";
  Executor other = start(elsewhere);
  const auto refused = pool.release(std::move(other));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_TRUE(fs::exists(elsewhere.work_dir));
}

TEST_F(ExecutorPoolTest, LeavesNothingBehindOfThoseThatNobodyTook) {
  std::optional<Executor> taken;
  {
    ExecutorPool pool = make(3);
    taken = acquire(pool);
    ASSERT_TRUE(eventually([&] { return pool.ready() == 3; }));
  }
  EXPECT_EQ(directories(), 1U);
  EXPECT_EQ(run(*taken, "print on").stdout_text, "on\n") << "one that was taken lives on";
}

TEST_F(ExecutorPoolTest, TellsAtOnceWhatCannotBeStarted) {
  const auto pool = ExecutorPool::create(options("perijove-ecko"), 3);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, Code::not_found);
}

}  // namespace
}  // namespace perijove
