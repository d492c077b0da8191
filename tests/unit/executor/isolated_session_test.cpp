// What a session may have when its kernels are kept from the machine.

#include "session_test.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Runs nothing, and is a stronger isolation than none.
class Fortress final : public Provisioner {
 public:
  std::string_view kind() const override { return "sandbox"; }
  Result<void> check(const IsolationRequest&) const override { return {}; }
  void probe(Shard&, std::function<void(Result<std::vector<std::string>>)>) override {}
  std::unique_ptr<LaunchedKernel> launch(Shard&, LaunchRequest, LaunchEvents) override {
    ADD_FAILURE() << "no kernel was asked for";
    return nullptr;
  }
};

class IsolatedSessionTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    provisioners_.add(std::make_unique<Fortress>());
    session_options_.isolation.kind = "sandbox";
  }

  std::string refusal_with(const std::string& virtual_env) {
    CodeSessionOptions options = session_options_;
    options.setup.virtual_env = virtual_env;
    return refusal_of(options);
  }
  std::string refusal_of(CodeSessionOptions options) {
    options.work_dir = work_dir().string();
    const auto made = CodeSession::create(shard_, *registry_, std::move(options), [] {});
    EXPECT_FALSE(made);
    return made ? "" : made.error().message;
  }
};

TEST_F(IsolatedSessionTest, NothingOfItsClientRunsBesideItsKernels) {
  CodeSessionOptions restricted = session_options_;
  restricted.policies.restricted = true;
  EXPECT_THAT(refusal_of(restricted), HasSubstr("restricted"));
}

TEST_F(IsolatedSessionTest, AVirtualEnvironmentIsShownAsAMount) {
  temp_.write("env/bin/python", "");
  const std::string directory = temp_.str() + "/env";
  EXPECT_THAT(refusal_with(directory), HasSubstr("is no Python environment"));
  std::filesystem::permissions(directory + "/bin/python", std::filesystem::perms::owner_all);
  session_options_.setup.virtual_env = directory;
  EXPECT_THAT(session().options().isolation.mounts,
              ElementsAre(Mount{.source = directory, .target = directory, .read_only = true}));
}

// There is no kernel for Python here, and nobody else does it.
TEST_F(IsolatedSessionTest, PackagesAndFunctionsAreForItsPythonKernel) {
  session_options_.setup.functions =
      R"([{"source": "def made():\n    return 1", "python_packages": ["rich"]}])";
  session_options_.setup.requirements = {"pandas"};
  std::optional<Result<void>> ready;
  session().set_up([&](const Result<void>& done) { ready = done; });
  ASSERT_TRUE(wait_until([&] { return ready.has_value(); }));
  ASSERT_FALSE(*ready);
  EXPECT_THAT(ready->error().message, HasSubstr("python"));
  EXPECT_THAT(session().prepared().packages, ElementsAre("pandas", "rich"));
  EXPECT_TRUE(std::filesystem::exists(work_dir() / "functions.py"));
  EXPECT_FALSE(std::filesystem::exists(work_dir() / ".perijove"));
}

}  // namespace
}  // namespace perijove
