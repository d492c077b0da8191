#include "provision/virtual_env.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "io/file_descriptor.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;

// pyvenv.cfg has some lines; whoever wrote it may have made it a pipe, or endless.
std::string read_settings(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::array<char, 4096> bytes{};
  const ssize_t count = read(file.get(), bytes.data(), bytes.size());
  return count > 0 ? std::string(bytes.data(), static_cast<std::size_t>(count)) : std::string();
}

// Of `name = value` lines, as CPython's site.py reads them.
std::string setting(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t sign = line.find('=');
    if (sign != line.npos && trim(line.substr(0, sign)) == name) {
      return std::string(trim(line.substr(sign + 1)));
    }
  }
  return {};
}

// lib/python3.N of a prefix; Debian has lib/python3, too.
std::vector<fs::path> libraries(const fs::path& prefix) {
  std::vector<fs::path> found;
  for (const fs::path& lib : {prefix / "lib", prefix / "local/lib"}) {
    std::error_code error;
    for (fs::directory_iterator entry(lib, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().filename().string().starts_with("python3")) found.push_back(entry->path());
    }
  }
  return found;
}

// By CPython's own landmark.
bool is_python_prefix(const fs::path& prefix) {
  const auto all = libraries(prefix);
  return std::any_of(all.begin(), all.end(), [](const fs::path& library) {
    std::error_code error;
    return fs::exists(library / "os.py", error);
  });
}

bool has_module(const fs::path& prefix, const std::string& module) {
  for (const fs::path& library : libraries(prefix)) {
    for (const char* const packages : {"site-packages", "dist-packages"}) {
      std::error_code error;
      if (fs::exists(library / packages / (module + ".py"), error) ||
          fs::exists(library / packages / module, error)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

Result<VirtualEnv> blocking_read_virtual_env(const std::string& directory) {
  VirtualEnv made;
  made.directory = directory;
  if (access(made.python().c_str(), X_OK) != 0) {
    return Error{Code::not_found, "virtual_env '" + directory +
                                      "' is no Python environment: it has no bin/python that can "
                                      "be run; `python3 -m venv DIRECTORY` makes one"};
  }
  const std::string settings = read_settings(directory + "/pyvenv.cfg");
  const fs::path home = setting(settings, "home");
  const fs::path base = home.lexically_normal().parent_path();
  if (home.is_absolute() && is_python_prefix(base)) made.base = base;
  made.sees_base = to_lower(setting(settings, "include-system-site-packages")) == "true";
  return made;
}

bool blocking_has_module(const VirtualEnv& environment, const std::string& module) {
  return has_module(environment.directory, module) ||
         (environment.sees_base && !environment.base.empty() &&
          has_module(environment.base, module));
}

}  // namespace perijove
