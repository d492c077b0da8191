#pragma once

#include <gmock/gmock.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "engine/registry.hpp"
#include "io/runtime_dir.hpp"
#include "provision/local/local_provisioner.hpp"
#include "support/loop.hpp"
#include "support/temp_dir.hpp"

namespace perijove {

/// A registry with two languages, `echo` and `shout`, both spoken by this build's echo kernel. The
/// loop runs on the test's own thread, in wait_until().
class RegistryTest : public ::testing::Test {
 protected:
  static constexpr char kEchoKernel[] = PERIJOVE_BINARY_DIR "/kernels/echo/perijove-kernel-echo";

  void SetUp() override {
    if (!std::filesystem::exists(kEchoKernel)) {
      GTEST_SKIP() << "the echo kernel is not built: " << kEchoKernel;
    }
    log::set_level(log::Level::off);
    for (const char* const name : {"echo", "shout"}) {
      install(name, name, {kEchoKernel, "-f", "{connection_file}"}, "message");
    }
    auto runtime_dir = RuntimeDir::create(temp_.str() + "/run");
    ASSERT_TRUE(runtime_dir) << runtime_dir.error();
    runtime_dir_.emplace(*std::move(runtime_dir));
    provisioners_.add(make_local_provisioner(*runtime_dir_));
    kernelspecs_.emplace(KernelspecPath{.directories = {temp_.str() + "/kernels"}});
    RegistryOptions options;
    options.kernel.journal_directory = temp_.str();
    options.work_root = temp_.str();
    options.default_kernelspec = default_kernel_;
    options.kernels_max = kernels_max_;
    options.gateway_env = {{"PATH", "/usr/bin:/bin"},
                           {"HOME", temp_.str()},
                           {"LANG", "C.UTF-8"},
                           {"INHERITED", "from the session"}};
    options.inherited_env = {"INHERITED"};
    registry_.emplace(shard_, provisioners_, *kernelspecs_, std::move(options));
  }

  void TearDown() override {
    if (!registry_) return;
    bool stopped = false;
    registry_->stop_all([&] { stopped = true; });
    EXPECT_TRUE(wait_until([&] { return stopped; }));
  }

  void install(const std::string& name, const std::string& language,
               const std::vector<std::string>& argv, const std::string& interrupt_mode) const {
    temp_.write("kernels/" + name + "/kernel.json",
                nlohmann::json{{"argv", argv},
                               {"display_name", name},
                               {"language", language},
                               {"interrupt_mode", interrupt_mode}}
                    .dump());
  }

  template <typename Condition>
  bool wait_until(Condition done) {
    return testing::run_until(shard_.loop(), std::move(done));
  }

  /// Of the processes of the listed kernels, those that are there.
  std::vector<pid_t> kernel_pids() const {
    std::vector<pid_t> pids;
    for (const auto& kernel : registry_->list()) {
      const std::string process = kernel->details().process;  // "pid 4711"
      const std::string digits = process.substr(std::min(process.find(' ') + 1, process.size()));
      pid_t pid = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), pid);
      if (pid > 0) pids.push_back(pid);
    }
    return pids;
  }

  testing::TempDir temp_;
  std::string default_kernel_ = "echo";
  std::size_t kernels_max_ = 0;
  std::optional<RuntimeDir> runtime_dir_;
  Shard shard_;
  Provisioners provisioners_{IsolationPolicy()};
  std::optional<Kernelspecs> kernelspecs_;
  std::optional<KernelRegistry> registry_;
};

}  // namespace perijove
