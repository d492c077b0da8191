#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/environment.hpp"
#include "perijove/result.hpp"

namespace perijove {

enum class InterruptMode { signal, message };

/// `signal` or `message`, as in kernel.json.
std::string_view to_string(InterruptMode mode);

/// How a kind of kernel is started: the contents of a kernel.json and where it was found.
struct Kernelspec {
  std::string name;  ///< Lower case, as jupyter_client keys them.
  std::vector<std::string> argv;
  std::string display_name;
  std::string language;
  InterruptMode interrupt_mode = InterruptMode::signal;
  Environment env;                      ///< Values still hold their `${VAR}`.
  std::string metadata = "{}";          ///< The JSON text of an object.
  std::string kernel_protocol_version;  ///< Empty when kernel.json says nothing.
  std::string resource_dir;             ///< The directory of kernel.json.
  /// What an argv that starts with a bare `python` runs; empty: what PATH finds. See
  /// interpreter_candidate().
  std::string interpreter;

  bool operator==(const Kernelspec&) const = default;
};

/// Whether a kernelspec may have this name: ASCII letters, digits, `-`, `.`, `_`; not `.` or `..`;
/// at most 255 characters.
bool is_valid_kernelspec_name(std::string_view name);

/// Reads the text of a kernel.json. `argv` must be there; without `display_name` the name is shown;
/// keys that nobody here knows are ignored. A wrong type is invalid_argument and names its field.
Result<Kernelspec> parse_kernelspec(std::string_view name, std::string_view resource_dir,
                                    ByteView text);

/// The model of GET /api/kernelspecs/NAME: `name`, `spec`, `resources`. `files` are the names of
/// files in the resource directory; kernel.js, kernel.css and logo-* become resources.
/// `base_url` ends with a slash.
std::string kernelspec_model(const Kernelspec& spec, const std::vector<std::string>& files,
                             std::string_view base_url);

/// The prefix of the environment that a kernelspec belongs to: `/opt/venv` for a resource directory
/// `/opt/venv/share/jupyter/kernels/NAME`; empty for any other place.
std::string environment_prefix(std::string_view resource_dir);

/// Whether a command line names files of its kernelspec ({resource_dir}).
bool names_resource_dir(const std::vector<std::string>& command);

/// jupyter_client replaces an argv[0] of `python`, `python3` or `python3.N` by its own interpreter.
/// A gateway has none: it takes the one of the environment that the kernelspec is installed in.
/// Returns its path, `PREFIX/bin/python3`, for the loader to check; empty when the rule does not
/// apply.
std::string interpreter_candidate(const Kernelspec& spec);

/// The text that kernel.json's metadata sets for us, {"perijove": {NAME: text}}; empty when it sets
/// none, or something else.
std::string kernelspec_setting(const Kernelspec& spec, std::string_view name);

/// Whether kernel.json's metadata sets that for us: {"perijove": {NAME: true}}.
bool kernelspec_flag(const Kernelspec& spec, std::string_view name);

/// A command line that kernel.json's metadata sets for us, {"perijove": {NAME: [text...]}}; empty
/// when it sets none, or something else.
std::vector<std::string> kernelspec_command(const Kernelspec& spec, std::string_view name);

/// Whether what is run is a Python: `python`, `/opt/venv/bin/python3.11`, `pypy3`.
bool begins_with_python(const Kernelspec& spec);

/// The command line of one kernel: `{connection_file}` and the other `values` filled in, with
/// `{resource_dir}` and `{prefix}` from the kernelspec itself; unknown names in braces stay as they
/// are, as in jupyter_client.
std::vector<std::string> launch_argv(const Kernelspec& spec,
                                     const std::map<std::string, std::string>& values);

}  // namespace perijove
