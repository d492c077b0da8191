#include "protocol/data_path.hpp"

#include <algorithm>
#include <string_view>

#include "base/text.hpp"

namespace perijove {
namespace {

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

void append_once(std::vector<std::string>& directories, std::string directory) {
  while (directory.ends_with('/')) directory.pop_back();
  if (directory.empty()) return;
  if (std::find(directories.begin(), directories.end(), directory) != directories.end()) return;
  directories.push_back(std::move(directory));
}

// jupyter_core's envset(): everything is true but these words.
bool is_true(std::string_view value) {
  const std::string lower = to_lower(value);
  for (const std::string_view no : {"no", "n", "false", "off", "0", "0.0"}) {
    if (lower == no) return false;
  }
  return true;
}

bool prefers_environment(const Environment& environment) {
  const auto wish = environment.find("JUPYTER_PREFER_ENV_PATH");
  if (wish != environment.end()) return is_true(wish->second);
  if (!value_of(environment, "VIRTUAL_ENV").empty()) return true;
  const std::string conda = value_of(environment, "CONDA_DEFAULT_ENV");
  return !value_of(environment, "CONDA_PREFIX").empty() && !conda.empty() && conda != "base";
}

std::vector<std::string> user_directories(const Environment& environment) {
  const std::string home = value_of(environment, "HOME");
  std::vector<std::string> directories = {jupyter_user_data_directory(environment)};

  const bool user_site = value_of(environment, "PYTHONNOUSERSITE").empty() &&
                         value_of(environment, "VIRTUAL_ENV").empty();
  std::string user_base = value_of(environment, "PYTHONUSERBASE");
  if (user_base.empty() && !home.empty()) user_base = home + "/.local";
  if (user_site && !user_base.empty()) directories.push_back(user_base + "/share/jupyter");
  return directories;
}

}  // namespace

std::string jupyter_user_data_directory(const Environment& environment) {
  const std::string data_dir = value_of(environment, "JUPYTER_DATA_DIR");
  if (!data_dir.empty()) return data_dir;
  const std::string xdg = value_of(environment, "XDG_DATA_HOME");
  if (!xdg.empty()) return xdg + "/jupyter";
  const std::string home = value_of(environment, "HOME");
  return home.empty() ? home : home + "/.local/share/jupyter";
}

std::vector<std::string> jupyter_data_path(const Environment& environment) {
  std::vector<std::string> path;

  const std::string explicit_path = value_of(environment, "JUPYTER_PATH");
  for (std::size_t start = 0; start <= explicit_path.size();) {
    const std::size_t end = std::min(explicit_path.find(':', start), explicit_path.size());
    append_once(path, explicit_path.substr(start, end - start));
    start = end + 1;
  }

  std::string prefix = value_of(environment, "VIRTUAL_ENV");
  if (prefix.empty()) prefix = value_of(environment, "CONDA_PREFIX");
  const std::string of_environment = prefix.empty() ? prefix : prefix + "/share/jupyter";

  const bool environment_first = prefers_environment(environment);
  if (environment_first) append_once(path, of_environment);
  for (const std::string& directory : user_directories(environment)) append_once(path, directory);
  if (!environment_first) append_once(path, of_environment);

  append_once(path, "/usr/local/share/jupyter");
  append_once(path, "/usr/share/jupyter");
  return path;
}

std::vector<std::string> kernelspec_directories(const Environment& environment) {
  std::vector<std::string> directories;
  for (const std::string& data : jupyter_data_path(environment)) {
    append_once(directories, data + "/kernels");
  }
  const std::string home = value_of(environment, "HOME");
  const std::string ipython = value_of(environment, "IPYTHONDIR");
  if (!ipython.empty()) {
    append_once(directories, ipython + "/kernels");
  } else if (!home.empty()) {
    append_once(directories, home + "/.ipython/kernels");
  }
  return directories;
}

}  // namespace perijove
