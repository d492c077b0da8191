#include "executor/python_helper.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "protocol/json.hpp"

namespace perijove {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{32} << 20;

// The environment of a helper: enough to find a Python by its bare name, and UTF-8.
Environment helper_environment() {
  const char* const path = std::getenv("PATH");
  return {{"PATH", path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path},
          {"LANG", "C.UTF-8"},
          {"PYTHONDONTWRITEBYTECODE", "1"}};
}

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const std::size_t end = text.rfind('\n');
  return end == std::string_view::npos ? text : text.substr(end + 1);
}

Result<nlohmann::json> read_answer(const ProcessOutput& run) {
  auto answer = parse_json(trim(run.output));
  if (answer && answer->is_object()) return answer;
  std::string message = "the Python helper gave no answer: its process " + describe(run.exit);
  if (const auto why = last_line(run.error_output); !why.empty()) {
    message += " (" + std::string(why) + ")";
  }
  return Error{Code::unavailable, message};
}

}  // namespace

std::string helper_interpreter(const Kernelspecs& kernelspecs) {
  const auto catalogue = kernelspecs.current();
  const auto found = catalogue->entries().find("python3");
  if (found != catalogue->entries().end()) {
    const Kernelspec& spec = found->second.spec;
    if (begins_with_python(spec)) return launch_argv(spec, {}).front();
  }
  return "/usr/bin/python3";
}

std::shared_ptr<void> PythonHelper::run(std::string_view script, const nlohmann::json& request,
                                        Duration time_max, Done done) {
  SpawnRequest spawn;
  spawn.argv = {interpreter_, "-I", "-c", std::string(script)};
  spawn.env = helper_environment();
  spawn.work_dir = "/";
  spawn.input = dump_json(request);
  const RunBounds bounds{.time_max = time_max, .output_bytes_max = kAnswerBytesMax};
  return run_process(
      shard_, spawn, bounds,
      [done = std::move(done), interpreter = interpreter_](const Result<ProcessOutput>& run) {
        if (run) {
          done(read_answer(*run));
        } else if (run.error().code == Code::not_found) {
          done(Error{Code::not_found,
                     "this needs a Python, and there is none: " + run.error().message +
                         "; install python3, or a kernelspec 'python3' that "
                         "names one"});
        } else {
          done(run.error());
        }
      });
}

void PythonHelper::ask(std::string_view script, const nlohmann::json& request, Duration time_max,
                       Done done) {
  const auto owner = std::make_shared<std::shared_ptr<void>>();
  asked_.insert(owner);
  *owner = run(
      script, request, time_max,
      [this, weak = std::weak_ptr(owner), done = std::move(done)](Result<nlohmann::json> answer) {
        if (const auto ended = weak.lock()) asked_.erase(ended);
        done(std::move(answer));
      });
}

}  // namespace perijove
