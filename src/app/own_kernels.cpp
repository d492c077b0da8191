#include "app/own_kernels.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/job_command.hpp"
#include "base/scope.hpp"
#include "engine/gateway_runtime.hpp"
#include "engine/own_share.hpp"
#include "io/run_process.hpp"
#include "protocol/data_path.hpp"
#include "protocol/json.hpp"
#include "protocol/kernelspec.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kProgramPrefix = "perijove-kernel-";
constexpr const char* kCommandKernel = "perijove-kernel-command";
constexpr const char* kLanguageFile = "language.json";
constexpr const char* kPythonModule = "perijove_kernel.py";  // run by somebody else's Python
constexpr std::size_t kTextBytesMax = std::size_t{1} << 20;
constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;  // a shared object may be among them

std::vector<fs::path> sorted_entries(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code fault;
  for (fs::directory_iterator entry(directory, fault), end; !fault && entry != end;
       entry.increment(fault)) {
    entries.push_back(entry->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// Regular files of a kernelspec's directory; nullopt when one cannot be read.
std::optional<std::map<std::string, std::string>> read_files(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const fs::path& entry : sorted_entries(directory)) {
    std::error_code ignored;
    if (!fs::is_regular_file(entry, ignored)) continue;
    auto text = read_input_file(entry.string(), kFileBytesMax);
    if (!text) return std::nullopt;
    files.emplace(entry.filename().string(), *std::move(text));
  }
  return files;
}

/// The directory of this program.
fs::path program_directory() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

bool is_executable(const fs::path& file) { return access(file.c_str(), X_OK) == 0; }

/// A program of ours that a kernelspec names: beside this one (the tree may have been moved), else
/// where the kernelspec says. Empty when it is in neither place.
std::string find_kernel_program(const fs::path& named) {
  const fs::path beside = program_directory() / named.filename();
  if (is_executable(beside)) return beside.string();
  return named.is_absolute() && is_executable(named) ? named.string() : std::string();
}

/// The file name of a word of the kernelspec's command; empty: there is no such word.
std::string argument_name(const json& kernel_json, std::size_t index) {
  const auto argv = kernel_json.find("argv");
  if (argv == kernel_json.end() || !argv->is_array() || argv->size() <= index) return {};
  const json& word = argv->at(index);
  return word.is_string() ? fs::path(word.get<std::string>()).filename().string() : std::string();
}

bool is_python_module(const json& kernel_json) {
  return argument_name(kernel_json, 1) == kPythonModule;
}

bool is_ours(const json& kernel_json) {
  return argument_name(kernel_json, 0).starts_with(kProgramPrefix) || is_python_module(kernel_json);
}

/// A kernelspec of share/jupyter/kernels; nullopt when it is not one of ours.
std::optional<OwnKernel> read_own(const fs::path& directory) {
  auto files = read_files(directory);
  if (!files || !files->contains("kernel.json") || files->contains(kLanguageFile)) {
    return std::nullopt;
  }
  auto spec = parse_json((*files)["kernel.json"]);
  if (!spec || !spec->is_object() || !is_ours(*spec)) return std::nullopt;
  OwnKernel made;
  made.name = directory.filename().string();
  made.for_tests = spec->value("/metadata/perijove/for_tests"_json_pointer, false);
  if (is_python_module(*spec)) {  // which is one of the files
    made.files = *std::move(files);
    return made;
  }
  const std::string named = (*spec)["argv"][0];
  const std::string program = find_kernel_program(named);
  if (program.empty()) {
    made.absence =
        "its program is missing: " + fs::path(named).filename().string() +
        " is not beside this program in " + program_directory().string() +
        (fs::path(named).is_absolute() ? ", and " + named + " is not there either" : "") +
        "; build or install the kernels, too";
  }
  (*spec)["argv"][0] = program;
  (*files)["kernel.json"] = dump_json_pretty(*spec, 2) + "\n";
  made.files = *std::move(files);
  return made;
}

/// What the command kernel says to `--kernelspec FILE`.
Result<ProcessOutput> ask_command_kernel(const std::string& program, const std::string& file) {
  Shard shard;
  std::optional<Result<ProcessOutput>> said;
  SpawnRequest request;
  request.argv = {program, "--kernelspec", file};
  request.env = own_environment();
  request.work_dir = "/";
  const auto run = run_process(shard, request, {}, [&](Result<ProcessOutput> result) {
    said = std::move(result);
    shard.stop();
  });
  shard.run();
  return *std::move(said);
}

std::string command_kernel() {
  std::string beside = find_kernel_program(kCommandKernel);
  if (!beside.empty()) return beside;
  const fs::path built = program_directory() / "kernels/command" / kCommandKernel;
  return is_executable(built) ? built.string() : std::string();
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

/// `shared`: files that every kernelspec has, the logos.
Result<OwnKernel> make_from_language(const std::string& file,
                                     std::map<std::string, std::string> shared) {
  constexpr int kAbsent = 3;
  OwnKernel made;
  made.name = fs::path(file).stem().string();
  if (!is_valid_kernelspec_name(made.name)) {
    return Error{Code::invalid_argument,
                 file + ": kernelspecs are named like their file, and '" + made.name +
                     "' cannot be one: ASCII letters, digits, '-', '.' and '_'"};
  }
  auto language = read_input_file(file, kTextBytesMax);
  if (!language) return language.error();
  const std::string program = command_kernel();
  if (program.empty()) {
    made.absence = std::string("its program is missing: ") + kCommandKernel + " is not in " +
                   program_directory().string() + "; build or install the kernels, too";
    return made;
  }
  const auto said = ask_command_kernel(program, fs::absolute(file).string());
  if (!said) return said.error();
  if (said->exit.code == kAbsent) {
    made.absence = trimmed(said->error_output);
    return made;
  }
  if (said->exit.code != 0) return Error{Code::invalid_argument, trimmed(said->error_output)};
  made.files = std::move(shared);
  made.files.insert_or_assign("kernel.json", said->output);
  made.files.insert_or_assign(kLanguageFile, *std::move(language));
  return made;
}

std::map<std::string, std::string> logos_in(const fs::path& kernels) {
  std::map<std::string, std::string> logos;
  for (const fs::path& kernel : sorted_entries(kernels)) {
    const auto files = read_files(kernel);
    if (!files || !files->contains("kernel.json")) continue;
    const auto spec = parse_json(files->at("kernel.json"));
    if (!spec || !spec->is_object() || !is_ours(*spec)) continue;
    for (const auto& [name, contents] : *files) {
      if (name.starts_with("logo-")) logos.emplace(name, contents);
    }
    if (!logos.empty()) break;
  }
  return logos;
}

Error write_fault(const fs::path& path, const std::error_code& fault) {
  return {
      fault == std::errc::permission_denied ? Code::permission_denied : Code::failed_precondition,
      "cannot write " + path.string() + ": " + fault.message() +
          (fault == std::errc::permission_denied
               ? "; name a directory of yours (--user, --prefix DIR), or be its owner"
               : "")};
}

/// The new directory beside its place, so that it can be put there at once.
Result<void> write_kernel(const OwnKernel& kernel, const fs::path& target, bool replaces) {
  std::error_code fault;
  fs::create_directories(target.parent_path(), fault);
  if (fault) return write_fault(target.parent_path(), fault);
  const std::string mine = "." + target.filename().string() + "-" + std::to_string(getpid());
  const fs::path fresh = target.parent_path() / (mine + ".new");
  const fs::path old = target.parent_path() / (mine + ".old");
  const ScopeExit clean_up([&] {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    fs::remove_all(old, ignored);
  });
  fs::create_directory(fresh, fault);
  if (fault) return write_fault(target, fault);
  for (const auto& [name, contents] : kernel.files) {
    std::ofstream file(fresh / name, std::ios::binary);
    file << contents;
    file.close();
    if (!file) return write_fault(target / name, std::make_error_code(std::errc::io_error));
  }
  if (replaces) fs::rename(target, old, fault);
  if (!fault) fs::rename(fresh, target, fault);
  if (!fault) return {};
  std::error_code ignored;
  if (replaces && !fs::exists(target, ignored)) fs::rename(old, target, ignored);
  return write_fault(target, fault);
}

}  // namespace

Result<std::vector<OwnKernel>> blocking_find_own_kernels() {
  const auto share = find_own_share_directory();
  if (!share) {
    const std::string here = program_directory().string();
    return Error{Code::not_found,
                 "there are no kernels beside this program: neither " + here + "/share nor " +
                     here +
                     "/../share has perijove/languages; install the whole of it (cmake --install)"};
  }
  std::vector<OwnKernel> found;
  for (const fs::path& directory : sorted_entries(fs::path(*share) / "jupyter/kernels")) {
    if (auto own = read_own(directory)) found.push_back(*std::move(own));
  }
  const auto logos = logos_in(fs::path(*share) / "jupyter/kernels");
  for (const fs::path& file : sorted_entries(fs::path(*share) / "perijove/languages")) {
    if (file.extension() != ".json") continue;
    auto own = make_from_language(file.string(), logos);
    if (!own) return own.error();
    found.push_back(*std::move(own));
  }
  std::sort(found.begin(), found.end(),
            [](const OwnKernel& a, const OwnKernel& b) { return a.name < b.name; });
  return found;
}

Result<OwnKernel> blocking_read_language_file(const std::string& path) {
  const auto share = find_own_share_directory();
  return make_from_language(path, share ? logos_in(fs::path(*share) / "jupyter/kernels")
                                        : std::map<std::string, std::string>());
}

Result<std::string> KernelspecPlace::directory(const Environment& environment) const {
  const auto value = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  const std::string below = "share/jupyter/kernels";
  if (!prefix.empty()) return (fs::absolute(prefix) / below).lexically_normal().string();
  if (sys_prefix) {
    for (const char* const name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
      if (const std::string of = value(name); !of.empty()) return (fs::path(of) / below).string();
    }
    return Error{Code::failed_precondition,
                 "no virtual environment is active (VIRTUAL_ENV, CONDA_PREFIX): activate one, or "
                 "name its directory with --prefix"};
  }
  const std::string of_user = jupyter_user_data_directory(environment);
  if (of_user.empty()) {
    return Error{Code::failed_precondition,
                 "there is no directory of the user's: set HOME or JUPYTER_DATA_DIR, or name one "
                 "with --prefix"};
  }
  return of_user + "/kernels";
}

Result<InstalledKernel> blocking_install_kernel(const OwnKernel& kernel,
                                                const std::string& directory, bool replace,
                                                bool dry_run) {
  const fs::path target = fs::path(directory) / kernel.name;
  std::error_code ignored;
  const bool exists = fs::exists(fs::symlink_status(target, ignored));
  if (exists && read_files(target) == kernel.files) {
    return InstalledKernel{target.string(), "unchanged"};
  }
  if (exists && !replace) {
    return Error{Code::already_exists,
                 target.string() + " is there already, and differs; --replace takes its place"};
  }
  if (!dry_run) {
    if (const auto written = write_kernel(kernel, target, exists); !written) {
      return written.error();
    }
  }
  return InstalledKernel{target.string(), exists ? "replaced" : "installed"};
}

Result<std::string> blocking_remove_kernel(const std::string& name,
                                           const std::vector<std::string>& directories,
                                           bool dry_run) {
  std::string searched;
  for (const std::string& directory : directories) {
    searched += (searched.empty() ? "" : ", ") + directory;
    const fs::path target = fs::path(directory) / name;
    std::error_code fault;
    if (!is_valid_kernelspec_name(name) || !fs::exists(target / "kernel.json", fault)) continue;
    const auto text = read_input_file((target / "kernel.json").string(), kTextBytesMax);
    if (!text) return text.error();
    const auto spec = parse_json(*text);
    if (!spec || !spec->is_object() || !is_ours(*spec)) {
      return Error{Code::permission_denied,
                   target.string() +
                       " is not a kernel of Perijove's, and left as it is; `jupyter "
                       "kernelspec remove " +
                       name + "` removes any"};
    }
    if (!dry_run) {
      fs::remove_all(target, fault);
      if (fault) return write_fault(target, fault);
    }
    return target.string();
  }
  return Error{Code::not_found,
               "there is no kernelspec '" + name + "' to remove; searched: " + searched};
}

}  // namespace perijove
