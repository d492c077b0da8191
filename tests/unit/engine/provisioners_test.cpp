#include "engine/provisioners.hpp"

#include <gmock/gmock.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <optional>

#include "engine/gateway_runtime.hpp"
#include "support/temp_dir.hpp"

namespace perijove {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

using ::testing::AllOf;

// A kind that can be had here, or not.
class FakeProvisioner final : public Provisioner {
 public:
  FakeProvisioner(std::string kind, Result<std::string> found)
      : kind_(std::move(kind)), found_(std::move(found)) {}
  std::string_view kind() const override { return kind_; }
  Result<void> check(const IsolationRequest&) const override { return {}; }
  void probe(Shard& shard, std::function<void(Result<std::vector<std::string>>)> done) override {
    boost::asio::post(shard.loop(), [this, done = std::move(done)] {
      done(found_ ? Result<std::vector<std::string>>({*found_, "more"}) : found_.error());
    });
  }
  std::unique_ptr<LaunchedKernel> launch(Shard&, LaunchRequest, LaunchEvents) override {
    return nullptr;
  }

 private:
  std::string kind_;
  Result<std::string> found_;
};

// What `auto` becomes with these.
class AutoIsolationTest : public ::testing::Test {
 protected:
  static Error missing(const std::string& what) { return {Code::unavailable, "no " + what}; }

  Provisioners& settled(Result<std::string> sandbox, Result<std::string> docker) {
    IsolationPolicy policy;
    policy.default_kind = kAutoIsolation;
    provisioners_.emplace(policy);
    provisioners_->add(std::make_unique<FakeProvisioner>("none", "anything"s));
    provisioners_->add(std::make_unique<FakeProvisioner>("docker", std::move(docker)));
    provisioners_->add(std::make_unique<FakeProvisioner>("sandbox", std::move(sandbox)));
    bool settled = false;
    provisioners_->settle(shard_, [&settled] { settled = true; });
    shard_.run_until([&settled] { return settled; });
    EXPECT_TRUE(settled);
    return *provisioners_;
  }
  Result<std::string> choose(const std::string& kind = {}, const Kernelspec& spec = {}) {
    IsolationRequest request;
    request.kind = kind;
    const auto chosen = provisioners_->choose(request, spec);
    if (!chosen) return chosen.error();
    return request.kind;
  }

  Shard shard_;
  std::optional<Provisioners> provisioners_;
};

TEST_F(AutoIsolationTest, IsTheStrongestThatThereIs) {
  EXPECT_EQ(settled("bubblewrap"s, "a daemon"s).default_isolation().kind, "docker");
  EXPECT_EQ(provisioners_->default_isolation().why, "a daemon");
  EXPECT_EQ(*choose(), "docker");
}

TEST_F(AutoIsolationTest, IsTheSandboxWithoutDockerAndSaysWhy) {
  const DefaultIsolation& found = settled("bubblewrap"s, missing("daemon")).default_isolation();
  EXPECT_EQ(found.kind, "sandbox");
  EXPECT_EQ(found.why, "bubblewrap. Not docker: no daemon.");
  EXPECT_EQ(*choose(), "sandbox");
}

TEST_F(AutoIsolationTest, IsNeverNone) {
  EXPECT_EQ(settled(missing("bubblewrap"), missing("daemon")).default_isolation().kind, "");
  const auto refused = choose();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("Not docker: no daemon."), HasSubstr("Not sandbox: no bubblewrap."),
                    HasSubstr("--isolation none")));
  EXPECT_EQ(choose("none").error().code, Code::permission_denied);
  EXPECT_EQ(*choose("docker"), "docker") << "who names one is told by it what is missing";
}

TEST_F(AutoIsolationTest, PromisesASandbox) {
  settled("bubblewrap"s, "a daemon"s);
  EXPECT_EQ(choose("none").error().code, Code::permission_denied);
  EXPECT_EQ(*choose("sandbox"), "sandbox");
  Kernelspec weaker;
  weaker.metadata = R"({"perijove": {"isolation": "sandbox"}})";
  EXPECT_EQ(*choose({}, weaker), "docker") << "a kernelspec that asks for less gets no less";
}

TEST_F(AutoIsolationTest, IsNothingBeforeAnybodyHasLooked) {
  IsolationPolicy policy;
  policy.default_kind = kAutoIsolation;
  provisioners_.emplace(policy);
  EXPECT_EQ(choose().error().code, Code::failed_precondition);
}

// The ways of this build, which look for nothing before they are used.
class ProvisionersTest : public ::testing::Test {
 protected:
  ProvisionersTest() : runtime_dir_(*RuntimeDir::create(temp_.str() + "/run")) {
    std::filesystem::create_directory(temp_.path() / "lent");
    std::filesystem::create_directory(temp_.path() / "kept");
    std::filesystem::create_directory_symlink(temp_.path() / "kept", temp_.path() / "lent/link");
  }

  Result<std::string> choose(const IsolationPolicy& policy, IsolationRequest request,
                             const Kernelspec& spec = {}) {
    Provisioners provisioners(policy);
    for (auto& each : make_provisioners(runtime_dir_, {}, policy)) {
      provisioners.add(std::move(each));
    }
    const auto chosen = provisioners.choose(request, spec);
    if (!chosen) return chosen.error();
    EXPECT_EQ((*chosen)->kind(), request.kind) << "the request says who it is";
    return request.kind;
  }

  static IsolationPolicy at_least(const std::string& kind) {
    IsolationPolicy policy;
    policy.default_kind = kind;
    return policy;
  }
  static IsolationRequest of(const std::string& kind) {
    IsolationRequest request;
    request.kind = kind;
    return request;
  }
  static Kernelspec spec_of(const std::string& kind) {
    Kernelspec spec;
    spec.metadata = R"({"perijove": {"isolation": ")" + kind + R"("}})";
    return spec;
  }

  testing::TempDir temp_;
  RuntimeDir runtime_dir_;
};

TEST_F(ProvisionersTest, AreListedFromTheWeakestToTheStrongest) {
  Provisioners provisioners{IsolationPolicy()};
  auto all = make_provisioners(runtime_dir_, {}, {});
  while (!all.empty()) {
    provisioners.add(std::move(all.back()));
    all.pop_back();
  }
  EXPECT_THAT(provisioners.kinds(), ElementsAre("none", "sandbox", "docker"));
}

TEST_F(ProvisionersTest, TheDefaultIsForThoseWhoSayNothing) {
  EXPECT_EQ(*choose({}, {}), "none");
  EXPECT_EQ(*choose(at_least("sandbox"), {}), "sandbox");
  EXPECT_EQ(*choose({}, of("docker")), "docker");
}

TEST_F(ProvisionersTest, AKernelspecMayAskForMoreButNotForLess) {
  EXPECT_EQ(*choose({}, {}, spec_of("sandbox")), "sandbox");
  EXPECT_EQ(*choose(at_least("sandbox"), {}, spec_of("none")), "sandbox");
  EXPECT_EQ(*choose({}, of("none"), spec_of("sandbox")), "none") << "the request wins";
}

TEST_F(ProvisionersTest, AClientGetsNoLessThanTheGatewayWasStartedWith) {
  const auto weaker = choose(at_least("sandbox"), of("none"));
  ASSERT_FALSE(weaker);
  EXPECT_EQ(weaker.error().code, Code::permission_denied);
  EXPECT_THAT(weaker.error().message, HasSubstr("weaker than 'sandbox'"));
  EXPECT_EQ(*choose(at_least("sandbox"), of("docker")), "docker");
}

TEST_F(ProvisionersTest, AnUnknownKindIsAnsweredWithTheKnownOnes) {
  const auto wrong = choose({}, of("sandbx"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid_argument);
  EXPECT_THAT(wrong.error().message,
              HasSubstr("did you mean 'sandbox'? known are: none, sandbox, docker"));
}

TEST_F(ProvisionersTest, NetworksMustBeLentWhereIsolationIsTheRule) {
  IsolationRequest host = of("sandbox");
  host.network = "host";
  EXPECT_TRUE(choose({}, host)) << "who may run without isolation may have this, too";
  EXPECT_EQ(choose(at_least("sandbox"), host).error().code, Code::permission_denied);
  IsolationPolicy lent = at_least("sandbox");
  lent.networks = {"host"};
  EXPECT_TRUE(choose(lent, host));
}

TEST_F(ProvisionersTest, MountsMustBeLentWhereIsolationIsTheRule) {
  const auto mount = [&](const std::string& name) {
    IsolationRequest request = of("sandbox");
    request.mounts = {{.source = temp_.str() + name, .target = "/data"}};
    return request;
  };
  IsolationPolicy policy = at_least("sandbox");
  EXPECT_EQ(choose(policy, mount("/lent")).error().code, Code::permission_denied);
  policy.mount_roots = {temp_.str() + "/lent"};
  EXPECT_TRUE(choose(policy, mount("/lent")));
  for (const char* elsewhere : {"/kept", "/lent/../kept", "/lent/link", ""}) {
    EXPECT_EQ(choose(policy, mount(elsewhere)).error().code, Code::permission_denied) << elsewhere;
  }
}

TEST_F(ProvisionersTest, TheProvisionerItselfIsAskedToo) {
  IsolationRequest wrong = of("sandbox");
  wrong.options = R"({"tmp_byte": 1})";
  EXPECT_THAT(choose({}, wrong).error().message, HasSubstr("tmp_bytes"));
  IsolationRequest none = of("none");
  none.network = "none";
  EXPECT_THAT(choose({}, none).error().message, HasSubstr("ask for isolation 'sandbox'"));
}

}  // namespace
}  // namespace perijove
