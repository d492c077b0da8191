#include "engine/kernelspecs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/suggest.hpp"
#include "base/text.hpp"
#include "io/file_descriptor.hpp"
#include "protocol/json_scan.hpp"

namespace perijove {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kKernelJsonBytesMax =
    std::size_t{1024} * 1024;  // real ones are a few hundred bytes

constexpr const char* kNativePython = "python3";

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string system_reason(int error) { return std::generic_category().message(error); }

// Never waits: what is not a regular file (a pipe, say) is refused before it is read.
Result<std::string> read_regular_file(const std::string& path, std::size_t bytes_max) {
  const FileDescriptor file(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
  if (!file) return Error{Code::not_found, system_reason(errno)};

  struct stat status {};
  if (fstat(file.get(), &status) != 0) return Error{Code::internal, system_reason(errno)};
  if (!S_ISREG(status.st_mode)) return Error{Code::not_found, "not a regular file"};
  std::string text;
  for (;;) {
    char chunk[16 * 1024];
    const ssize_t got = read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Code::internal, system_reason(errno)};
    if (got == 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return Error{Code::resource_exhausted, "larger than " + std::to_string(bytes_max) + " bytes"};
    }
  }
}

// Sorted, so that every scan of the same disk gives the same catalogue. A directory that does not
// exist is empty; one that cannot be read says why in `reason`.
std::vector<std::string> list_directory(const std::string& directory, std::string* reason) {
  std::vector<std::string> names;
  std::error_code fault;
  for (fs::directory_iterator entry(directory, fault), end; !fault && entry != end;
       entry.increment(fault)) {
    names.push_back(entry->path().filename().string());
  }
  if (fault && fault != std::errc::no_such_file_or_directory && reason != nullptr) {
    *reason = fault.message();
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> list_regular_files(const std::string& directory) {
  std::vector<std::string> files;
  for (std::string& name : list_directory(directory, nullptr)) {
    std::error_code ignored;
    if (fs::is_regular_file(fs::path(directory) / name, ignored)) files.push_back(std::move(name));
  }
  return files;
}

Result<KernelspecCatalogue::Entry> read_kernelspec(const std::string& name,
                                                   const std::string& directory) {
  std::error_code fault;
  const fs::path real = fs::canonical(directory + "/kernel.json", fault);  // links are allowed here
  if (fault) return Error{Code::not_found, fault.message()};
  const auto text = read_regular_file(real.string(), kKernelJsonBytesMax);
  if (!text) return text.error();
  auto spec = parse_kernelspec(name, directory, *text);
  if (!spec) return spec.error();

  const std::string interpreter = interpreter_candidate(*spec);
  if (!interpreter.empty() && access(interpreter.c_str(), X_OK) == 0) {
    spec->interpreter = interpreter;
  }
  return KernelspecCatalogue::Entry{*std::move(spec), list_regular_files(directory)};
}

void append_status(std::string& out, const fs::path& path) {
  struct stat status {};
  out += path.string();
  if (stat(path.c_str(), &status) != 0) {
    out += " -\n";
    return;
  }
  for (const auto number :
       {static_cast<long long>(status.st_ino), static_cast<long long>(status.st_size),
        static_cast<long long>(status.st_mtim.tv_sec),
        static_cast<long long>(status.st_mtim.tv_nsec),
        static_cast<long long>(status.st_ctim.tv_sec),
        static_cast<long long>(status.st_ctim.tv_nsec)}) {
    out += ' ';
    out += std::to_string(number);
  }
  out += '\n';
}

// Differs whenever a scan could find something else.
std::string take_fingerprint(const std::vector<std::string>& directories) {
  std::string fingerprint;
  for (const std::string& directory : directories) {
    append_status(fingerprint, directory);
    for (const std::string& name : list_directory(directory, nullptr)) {
      const fs::path resource_dir = fs::path(directory) / name;
      append_status(fingerprint, resource_dir);
      append_status(fingerprint, resource_dir / "kernel.json");
    }
  }
  return fingerprint;
}

}  // namespace

KernelspecCatalogue KernelspecCatalogue::blocking_scan(KernelspecPath path) {
  KernelspecCatalogue made;
  for (const std::string& directory : path.directories) {
    std::string reason;
    const auto names = list_directory(directory, &reason);
    if (!reason.empty()) made.faults_.push_back({directory, reason});
    for (const std::string& name : names) {
      const fs::path resource_dir = fs::path(directory) / name;
      const fs::path kernel_json = resource_dir / "kernel.json";
      std::error_code ignored;
      if (!fs::exists(fs::symlink_status(kernel_json, ignored))) continue;
      if (made.entries_.contains(to_lower(name))) continue;
      auto entry = read_kernelspec(name, resource_dir.string());
      if (!entry) {
        made.faults_.push_back({kernel_json.string(), entry.error().message});
      } else if (directory != path.own || !kernelspec_flag(entry->spec, "for_tests")) {
        made.entries_.emplace(to_lower(name), *std::move(entry));
      }
    }
  }
  for (const char* const python : {"perijove-python", "perijove-python-any"}) {
    const auto ours = made.entries_.find(python);
    if (ours == made.entries_.end() || made.fault_of(kNativePython) != nullptr) continue;
    Entry native = ours->second;
    native.spec.name = kNativePython;
    made.entries_.try_emplace(kNativePython, std::move(native));
  }
  made.path_ = std::move(path);
  return made;
}

const KernelspecCatalogue::Fault* KernelspecCatalogue::fault_of(const std::string& name) const {
  const std::string ending = "/" + name + "/kernel.json";
  const auto found = std::find_if(faults_.begin(), faults_.end(), [&ending](const Fault& fault) {
    return to_lower(fault.path).ends_with(ending);
  });
  return found == faults_.end() ? nullptr : &*found;
}

Result<const KernelspecCatalogue::Entry*> KernelspecCatalogue::find(std::string_view name) const {
  if (!is_valid_kernelspec_name(name)) {
    return Error{Code::not_found,
                 "no such kernelspec: names consist of ASCII letters, digits, '-', '.' and '_'"};
  }
  const std::string wanted = to_lower(name);
  const auto exact = entries_.find(wanted);
  if (exact != entries_.end()) return &exact->second;

  if (const Fault* const fault = fault_of(wanted)) {
    return Error{Code::not_found, "kernelspec '" + std::string(name) +
                                      "' cannot be used: " + fault->path + ": " + fault->reason};
  }

  const auto python3 = entries_.find(kNativePython);
  if (wanted == "python" && python3 != entries_.end()) return &python3->second;
  std::vector<std::string> names;
  for (const auto& [known, entry] : entries_) {
    if (to_lower(entry.spec.language) == wanted) return &entry;
    names.push_back(known);
  }

  std::string message = "kernelspec '" + std::string(name) + "' not found; ";
  if (const std::string hint = did_you_mean(name, names); !hint.empty()) message += hint + " ";
  message += "installed: " + (names.empty() ? "none" : join(names));
  return Error{Code::not_found, message + "; searched: " + join(directories())};
}

std::string KernelspecCatalogue::default_name() const {
  if (entries_.contains(kNativePython)) return kNativePython;
  const auto python = std::find_if(entries_.begin(), entries_.end(), [](const auto& each) {
    return to_lower(each.second.spec.language) == "python";
  });
  if (python != entries_.end()) return python->first;
  return entries_.empty() ? std::string() : entries_.begin()->first;
}

std::string KernelspecCatalogue::rest_model(std::string_view default_name,
                                            std::string_view base_url) const {
  std::string model = R"({"default":)";
  append_json_string(model, default_name);
  model += R"(,"kernelspecs":{)";
  for (const auto& [name, entry] : entries_) {
    if (model.back() != '{') model += ',';
    append_json_string(model, name);
    model += ':';
    model += kernelspec_model(entry.spec, entry.files, base_url);
  }
  return model + "}}";
}

Kernelspecs::Kernelspecs(KernelspecPath path) : path_(std::move(path)) { blocking_refresh(); }

std::shared_ptr<const KernelspecCatalogue> Kernelspecs::current() const {
  const std::lock_guard lock(mutex_);
  return catalogue_;
}

std::shared_ptr<const KernelspecCatalogue> Kernelspecs::blocking_refresh() {
  // Taken before the scan: what changes meanwhile is found by the next call. The disk is read
  // without the lock, so that current() never waits for it.
  std::string fingerprint = take_fingerprint(path_.directories);
  {
    const std::lock_guard lock(mutex_);
    if (catalogue_ != nullptr && fingerprint == fingerprint_) return catalogue_;
  }
  auto fresh =
      std::make_shared<const KernelspecCatalogue>(KernelspecCatalogue::blocking_scan(path_));
  const std::lock_guard lock(mutex_);
  fingerprint_ = std::move(fingerprint);
  catalogue_ = std::move(fresh);
  return catalogue_;
}

Result<std::string> blocking_read_resource(const Kernelspec& spec, std::string_view path) {
  const Error outside{
      Code::permission_denied,
      "the path leads out of the resource directory of kernelspec '" + spec.name + "'"};
  const Error absent{Code::not_found, "kernelspec '" + spec.name + "' has no such resource"};
  if (path.find('\0') != std::string_view::npos) return absent;
  const fs::path relative{path};
  if (relative.is_absolute()) return outside;
  for (const fs::path& part : relative) {
    if (part == "..") return outside;
  }

  // Symbolic links within the directory are as good as files; the resolved paths are compared by
  // component, because /kernels/ir must not open the door to /kernels/ir-private.
  std::error_code fault;
  const fs::path root = fs::canonical(spec.resource_dir, fault);
  if (fault) return absent;
  const fs::path real = fs::canonical(root / relative, fault);
  if (fault) return absent;
  if (std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end()) {
    return outside;
  }
  auto contents = read_regular_file(real.string(), kKernelspecResourceBytesMax);
  if (!contents) {
    if (contents.error().code == Code::not_found) return absent;
    return Error{contents.error().code, "kernelspec resource: " + contents.error().message};
  }
  return contents;
}

}  // namespace perijove
