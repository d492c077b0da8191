#include "executor/session_setup.hpp"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "code/python_scripts.hpp"
#include "code/requirement.hpp"
#include "io/blocking_work.hpp"
#include "protocol/json.hpp"
#include "provision/virtual_env.hpp"

namespace perijove {
namespace {

using nlohmann::json;

constexpr std::chrono::minutes kInstallTimeMax{10};
constexpr std::chrono::minutes kTestTimeMax{1};
// Packages of a session without a virtual environment: beside its work, not in the system's Python.
constexpr const char* kPackagesDirectory = ".perijove/packages";

std::string all_output(const ProcessOutput& run) {
  return std::string(trim(run.output + run.error_output));
}

}  // namespace

SessionSetup::SessionSetup(Shard& shard, PythonHelper& python, const WorkDir& directory,
                           SessionSetupOptions options, Environment env, std::string system_python,
                           Done done)
    : shard_(shard),
      helper_(python),
      directory_(directory),
      options_(std::move(options)),
      env_(std::move(env)),
      system_python_(std::move(system_python)),
      done_(std::move(done)) {}

void SessionSetup::begin() {
  boost::asio::post(shard_.loop(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look_at_virtual_env();
  });
}

std::string SessionSetup::python() const {
  return options_.virtual_env.empty() ? system_python_ : options_.virtual_env + "/bin/python";
}

void SessionSetup::look_at_virtual_env() {
  if (options_.virtual_env.empty() || options_.is_elsewhere) {
    make_module();
    return;
  }
  env_["VIRTUAL_ENV"] = options_.virtual_env;
  prepend_directory(env_, "PATH", options_.virtual_env + "/bin");
  running_ = do_blocking<Result<bool>>(
      shard_,
      [directory = options_.virtual_env,
       module = options_.kernel_module](const std::atomic<bool>&) -> Result<bool> {
        const auto environment = blocking_read_virtual_env(directory);
        if (!environment) return environment.error();
        return module.empty() || blocking_has_module(*environment, module);
      },
      [this](const Result<bool>& runs_kernel) {
        const auto self = shared_from_this();
        if (runs_kernel) {
          take_virtual_env(*runs_kernel);
        } else {
          fail(runs_kernel.error().code, runs_kernel.error().message);
        }
      });
}

void SessionSetup::take_virtual_env(bool runs_kernel) {
  const std::string other_python =
      ": Python blocks run with the kernelspec's Python, shell blocks and packages use the "
      "environment; ";
  const std::string remedy = "kernel 'perijove-python-any' runs in it as it is";
  const std::string what = "virtual_env '" + options_.virtual_env + "'";
  if (options_.has_own_python) {
    prepared_.warnings.push_back(what + " does not run the kernel, which has a Python of its own" +
                                 other_python + remedy);
  } else if (!runs_kernel) {
    prepared_.warnings.push_back(what + " has no ipykernel" + other_python +
                                 "`bin/pip install ipykernel` in it changes that, and " + remedy);
  } else {
    prepared_.interpreter = python();
  }
  make_module();
}

void SessionSetup::make_module() {
  packages_ = options_.requirements;
  if (!options_.has_functions()) {
    install();
    return;
  }
  const auto functions = parse_json(options_.functions);
  running_ = helper_.run(
      kFunctionsScript,
      {{"functions", functions ? *functions : json::array()}, {"module", options_.module}},
      kCheckTimeMax, [this](const Result<json>& answer) {
        const auto self = shared_from_this();
        if (!answer) {
          fail(answer.error().code, answer.error().message);
        } else {
          take_module(*answer);
        }
      });
}

void SessionSetup::take_module(const json& answer) {
  if (const auto errors = answer.find("errors"); errors != answer.end()) {
    std::string message = "functions: ";
    for (const json& each : *errors) {
      if (each.contains("function") && each["function"].is_number_integer()) {
        message += "number " + std::to_string(each["function"].get<int>()) + ": ";
      }
      message += each.value("message", std::string()) + "; ";
    }
    message.resize(message.size() - 2);
    fail(Code::invalid_argument, message);
    return;
  }
  const auto written =
      directory_.write(options_.module + ".py", answer.value("module_source", std::string()));
  if (!written) {
    fail(written.error().code, written.error().message);
    return;
  }
  prepared_.function_names = answer.value("names", std::vector<std::string>());
  prepared_.function_stubs = answer.value("stubs", std::string());
  prepared_.function_prompt = answer.value("prompt", std::string());
  for (const std::string& each : answer.value("packages", std::vector<std::string>())) {
    packages_.push_back(each);
  }
  install();
}

void SessionSetup::install() {
  if (packages_.empty()) {
    test_module();
    return;
  }
  std::vector<std::string> texts;
  for (const std::string& each : packages_) {
    const auto requirement = parse_requirement(each);
    if (!requirement) {
      fail(requirement.error().code, requirement.error().message);
      return;
    }
    texts.push_back(requirement->text);
  }
  if (options_.isolated) {
    prepared_.packages = std::move(texts);
    test_module();
    return;
  }
  // Two, not three: at three pip does not even say why it failed.
  std::vector<std::string> argv = {
      python(), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"};
  if (options_.virtual_env.empty()) {
    const std::string target = directory_.path() + "/" + kPackagesDirectory;
    argv.insert(argv.end(), {"--target", target});
    prepared_.env["PYTHONPATH"] = env_["PYTHONPATH"];
    prepend_directory(prepared_.env, "PYTHONPATH", target);
  }
  argv.emplace_back("--");
  argv.insert(argv.end(), texts.begin(), texts.end());
  run(std::move(argv), kInstallTimeMax, [this](const ProcessOutput& run) {
    if (run.exit.code == 0) {
      for (const auto& [name, value] : prepared_.env) env_[name] = value;
      test_module();
    } else {
      fail(Code::failed_precondition, "Pip install failed. " + all_output(run));
    }
  });
}

void SessionSetup::test_module() {
  if (!options_.has_functions() || options_.isolated) {
    finish();
    return;
  }
  run({python(), options_.module + ".py"}, kTestTimeMax, [this](const ProcessOutput& run) {
    if (run.exit.code == 0) {
      finish();
    } else {
      fail(Code::invalid_argument, "Functions failed to load: " + all_output(run));
    }
  });
}

void SessionSetup::run(std::vector<std::string> argv, Duration time_max,
                       std::function<void(const ProcessOutput&)> next) {
  SpawnRequest spawn;
  spawn.argv = std::move(argv);
  spawn.env = env_;
  spawn.work_dir = directory_.path();
  running_ =
      run_process(shard_, spawn, {.time_max = time_max, .output_bytes_max = std::size_t{16} << 20},
                  [this, next = std::move(next)](const Result<ProcessOutput>& run) {
                    const auto self = shared_from_this();
                    if (run) {
                      next(*run);
                    } else {
                      fail(run.error().code, run.error().message);
                    }
                  });
}

void SessionSetup::fail(Code code, std::string message) {
  if (auto done = std::exchange(done_, nullptr)) done(Error{code, std::move(message)});
}

void SessionSetup::finish() {
  if (auto done = std::exchange(done_, nullptr)) done(std::move(prepared_));
}

}  // namespace perijove
