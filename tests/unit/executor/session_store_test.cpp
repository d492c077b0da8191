#include "executor/session_store.hpp"

#include "session_test.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CodeSessionStoreTest : public SessionTest {
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

  std::shared_ptr<CodeSession> create(CodeSessionOptions options) {
    const auto made = store_->create(std::move(options));
    EXPECT_TRUE(made) << made.error();
    return made ? *made : nullptr;
  }
  std::shared_ptr<CodeSession> with_key(const std::string& key) {
    CodeSessionOptions options;
    options.key = key;
    return create(std::move(options));
  }
  Result<std::shared_ptr<CodeSession>> in(const std::string& directory) {
    CodeSessionOptions options;
    options.work_dir = directory;
    return store_->create(std::move(options));
  }

  fs::path root() const { return temp_.path() / "root"; }

  std::optional<CodeSessionStore> store_;
};

TEST_F(CodeSessionStoreTest, FindsASessionByIdAndByKey) {
  const auto named = with_key("k");
  const auto unnamed = create({});
  EXPECT_EQ(store_->find("k"), named);
  EXPECT_EQ(store_->find(named->id()), named);
  EXPECT_EQ(store_->find(unnamed->id()), unnamed);
  EXPECT_EQ(store_->find(""), nullptr) << "no key is not the key of those without";
  EXPECT_EQ(store_->find("other"), nullptr);
  EXPECT_THAT(store_->list(), SizeIs(2));
}

TEST_F(CodeSessionStoreTest, AKeyIsGivenOnceAtATime) {
  const auto first = with_key("k");
  CodeSessionOptions again;
  again.key = "k";
  const auto refused = store_->create(again);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::already_exists);
  bool stopped = false;
  first->stop([&](const Result<void>&) { stopped = true; });
  EXPECT_EQ(store_->find("k"), nullptr);
  EXPECT_NE(with_key("k"), first);
  EXPECT_TRUE(wait_until([&] { return stopped; }));
  EXPECT_NE(store_->find("k"), nullptr) << "the end of the first takes nothing from the second";
}

TEST_F(CodeSessionStoreTest, EverySessionHasADirectoryOfItsOwn) {
  std::set<std::string> directories;
  for (const char* const key : {"a", "b.1", "b.2", "x/b.1", "..", ".", "/", "a b", "a_b", "A"}) {
    const auto session = with_key(key);
    ASSERT_TRUE(session) << key;
    const std::string directory = session->options().work_dir;
    EXPECT_EQ(fs::path(directory).parent_path(), root() / "sessions") << key;
    EXPECT_TRUE(directories.insert(directory).second) << key << " shares " << directory;
  }
  EXPECT_TRUE(directories.insert(create({})->options().work_dir).second);
  EXPECT_TRUE(directories.contains((root() / "sessions/a").string())) << "plain keys are readable";
}

// rows: L02
TEST_F(CodeSessionStoreTest, AKeyFindsItsDirectoryAgain) {
  const std::string directory = with_key("b.1")->options().work_dir;
  bool stopped = false;
  store_->find("b.1")->stop([&](const Result<void>&) { stopped = true; });
  ASSERT_TRUE(wait_until([&] { return stopped; }));
  EXPECT_EQ(with_key("b.1")->options().work_dir, directory);
}

TEST_F(CodeSessionStoreTest, ADirectoryIsTakenBelowTheRootOnly) {
  EXPECT_EQ((*in("sub/dir"))->options().work_dir, (root() / "sub/dir").string());
  EXPECT_EQ((*in("./x/../y"))->options().work_dir, (root() / "y").string());
  fs::create_directory(temp_.path() / "root-2");
  fs::create_directory_symlink(temp_.path() / "root-2", root() / "link");
  for (const std::string& directory :
       {std::string(".."), std::string("../root-2"), std::string("/tmp"), std::string("link"),
        std::string("link/below"), std::string("a/../../root-2"), temp_.str()}) {
    const auto refused = in(directory);
    ASSERT_FALSE(refused) << directory;
    EXPECT_EQ(refused.error().code, Code::permission_denied);
    EXPECT_THAT(refused.error().message, HasSubstr(directory));
  }
  EXPECT_TRUE(fs::is_empty(temp_.path() / "root-2"));
}

TEST_F(CodeSessionStoreTest, RefusesAKernelThatThereIsNot) {
  CodeSessionOptions options;
  options.kernel = "ecko";
  const auto refused = store_->create(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::not_found);
  EXPECT_THAT(store_->list(), IsEmpty());
}

TEST_F(CodeSessionStoreTest, FindsExecutionsInWhateverSession) {
  with_key("other");
  const auto session = with_key("k");
  const auto execution = *session->execute(request("print x"));
  EXPECT_EQ(wait(execution).output, "x\n");
  EXPECT_EQ(store_->find_execution(execution->id()), execution);
  EXPECT_EQ(store_->session_of(*execution), session);
  EXPECT_EQ(store_->find_execution("e_none"), nullptr);
}

TEST_F(CodeSessionStoreTest, ASessionThatEndsIsForgotten) {
  CodeSessionOptions options;
  options.idle_timeout = std::chrono::milliseconds(1);
  const auto session = create(options);
  EXPECT_TRUE(wait_until([&] { return store_->list().empty(); }));
  EXPECT_TRUE(session->ended());
  EXPECT_EQ(store_->find(session->id()), nullptr);
}

TEST_F(CodeSessionStoreTest, StoppingEndsEverySessionAndTheirKernelsAndMakesNoneAnew) {
  const auto running = *with_key("a")->execute(request("sleep 600"));
  wait(*with_key("b")->execute(request("print x")));
  // One that is ending already counts, too.
  store_->find("b")->stop(nullptr);
  bool stopped = false;
  store_->stop_all([&] {
    stopped = true;
    EXPECT_THAT(kernel_pids(), IsEmpty());
  });
  const auto refused = store_->create({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  ASSERT_TRUE(wait_until([&] { return stopped; }));
  EXPECT_THAT(store_->list(), IsEmpty());
  EXPECT_EQ(running->result().status, CodeStatus::cancelled);
}

TEST_F(CodeSessionStoreTest, MayGoBeforeItsSessionsTellOfTheirEnd) {
  session_ = create({});
  store_.reset();
}

}  // namespace
}  // namespace perijove
