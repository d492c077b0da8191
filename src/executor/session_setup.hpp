#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "executor/python_helper.hpp"
#include "executor/session_policies.hpp"
#include "io/work_dir.hpp"

namespace perijove {

/// What kernels of a session have besides, once it is made ready.
struct PreparedSession {
  Environment env;          ///< Over that of the session: PYTHONPATH.
  std::string interpreter;  ///< Of Python kernels, in place of the kernelspec's; empty: that one.
  std::vector<std::string> warnings;
  std::vector<std::string> function_names;
  std::vector<std::string> packages;  ///< Still to be installed: within the session's isolation.
  std::string function_stubs;         ///< Signatures and docstrings of the functions.
  std::string function_prompt;        ///< The same with AutoGen's words around it, for a model.
};

/// Makes a session ready: looks at its virtual environment, makes the module of its functions,
/// installs packages quietly, and runs the module once to see that it can be imported. One step
/// after another, each in a process of its own. Of an isolated session it makes the module alone,
/// which it does not run: the rest is for its kernel. Shard thread only; held by shared_ptr.
/// Dropping it ends what runs, without a word.
class SessionSetup : public std::enable_shared_from_this<SessionSetup> {
 public:
  using Done = std::function<void(Result<PreparedSession>)>;

  /// `env` is what a program of the session gets: PATH and the like, and what its client set.
  /// `system_python` installs and tests when there is no virtual environment.
  SessionSetup(Shard& shard, PythonHelper& python, const WorkDir& directory,
               SessionSetupOptions options, Environment env, std::string system_python, Done done);

  /// `done` is called once, from the loop. Errors name what failed in AutoGen's words where it has
  /// some: `Functions failed to load: ...`, `Pip install failed. ...`.
  void begin();

 private:
  void look_at_virtual_env();
  void take_virtual_env(bool runs_kernel);
  void make_module();
  void take_module(const nlohmann::json& answer);
  void install();
  void test_module();
  void run(std::vector<std::string> argv, Duration time_max,
           std::function<void(const ProcessOutput&)> next);
  void fail(Code code, std::string message);
  void finish();
  std::string python() const;

  Shard& shard_;
  PythonHelper& helper_;
  const WorkDir& directory_;
  SessionSetupOptions options_;
  Environment env_;
  std::string system_python_;
  Done done_;
  std::shared_ptr<void> running_;
  std::vector<std::string> packages_;
  PreparedSession prepared_;
};

}  // namespace perijove
