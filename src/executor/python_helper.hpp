#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>

#include "engine/kernelspecs.hpp"
#include "io/run_process.hpp"

namespace perijove {

/// The Python that does for us what only Python can (code/python_scripts.hpp): that of the
/// kernelspec `python3`, when its command begins with one, else /usr/bin/python3. Not checked: it
/// may not be there.
std::string helper_interpreter(const Kernelspecs& kernelspecs);

/// Runs the programs of code/python_scripts.hpp, each in a process of its own: without the
/// gateway's environment, its descriptors and its directory. Shard thread only.
class PythonHelper {
 public:
  using Done = std::function<void(Result<nlohmann::json>)>;

  PythonHelper(Shard& shard, std::string interpreter)
      : shard_(shard), interpreter_(std::move(interpreter)) {}

  /// Sends `request` to a program and hands over its answer, a JSON object, later. Errors:
  /// not_found, with a remedy, when there is no Python; deadline_exceeded; unavailable with the
  /// last line of its complaint when the program gave no answer, which is to be read as refusal.
  ///
  /// Dropping the returned share ends the program, and `done` is not called.
  [[nodiscard]] std::shared_ptr<void> run(std::string_view script, const nlohmann::json& request,
                                          Duration time_max, Done done);

  /// The same for callers that own nothing: the program ends with this object at the latest.
  void ask(std::string_view script, const nlohmann::json& request, Duration time_max, Done done);

  const std::string& interpreter() const { return interpreter_; }

 private:
  Shard& shard_;
  std::string interpreter_;
  std::set<std::shared_ptr<std::shared_ptr<void>>> asked_;
};

/// Longest time of the programs that only look at code: far more than any of them takes.
inline constexpr std::chrono::seconds kCheckTimeMax{30};

}  // namespace perijove
