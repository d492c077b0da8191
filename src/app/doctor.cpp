#include "app/doctor.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zmq.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "app/serve_options.hpp"
#include "app/server_file.hpp"
#include "base/text.hpp"
#include "engine/gateway_runtime.hpp"
#include "io/child_process.hpp"
#include "io/file_descriptor.hpp"
#include "net/http_server.hpp"
#include "protocol/data_path.hpp"

namespace perijove {
namespace {

namespace fs = std::filesystem;
using Verdict = Finding::Verdict;

// Four sockets, their libzmq ends, a pipe and a pidfd; measured with ipc endpoints.
constexpr std::uint64_t kDescriptorsPerKernel = 16;

Finding open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t kernels = limit.rlim_max / kDescriptorsPerKernel;
  Finding finding{"open files", Verdict::fine,
                  std::to_string(limit.rlim_max) + " may be open: about " +
                      std::to_string(std::min<std::uint64_t>(kernels, 65'536)) + " kernels",
                  ""};
  constexpr std::uint64_t kFewKernels = 250;
  if (kernels < kFewKernels) {
    finding.verdict = Verdict::warning;
    finding.remedy = "raise the hard limit (ulimit -Hn, LimitNOFILE= in systemd)";
  }
  return finding;
}

Finding system_calls() {
  const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (pidfd) return {"Linux", Verdict::fine, "processes can be watched (pidfd)", ""};
  return {"Linux", Verdict::problem, std::string("pidfd_open fails: ") + std::strerror(errno),
          "Linux 5.3 or newer is needed, or a sandbox that allows pidfd_open"};
}

Finding libzmq() {
  int major = 0, minor = 0, patch = 0;
  zmq_version(&major, &minor, &patch);
  const std::string version =
      std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  if (zmq_has("ipc") == 1) return {"libzmq", Verdict::fine, version, ""};
  return {"libzmq", Verdict::problem, version + " without ipc sockets", "install another build"};
}

Finding runtime_dir(const std::string& base) {
  if (const auto fits = check_socket_paths(base); !fits) {
    return {"runtime directory", Verdict::problem, fits.error().message, "name a shorter one"};
  }
  struct stat status {};
  if (::lstat(base.c_str(), &status) != 0) {
    const std::string parent = fs::path(base).parent_path();
    if (errno == ENOENT && ::access(parent.c_str(), W_OK) == 0) {
      return {"runtime directory", Verdict::fine, base + " will be made", ""};
    }
    return {"runtime directory", Verdict::problem,
            base + " cannot be made: " + std::strerror(errno),
            "name another with --runtime-dir or PERIJOVE_RUNTIME_DIR"};
  }
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0077) != 0) {
    return {"runtime directory", Verdict::problem,
            base + " is not this user's own directory with mode 0700",
            "remove it, or name another with --runtime-dir or PERIJOVE_RUNTIME_DIR"};
  }
  return {"runtime directory", Verdict::fine, base, ""};
}

Finding journal_dir() {
  const KernelOptions defaults;
  const std::string& directory = defaults.journal_directory;
  const FileDescriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return {"journal directory", Verdict::fine, directory, ""};
  return {"journal directory", Verdict::warning,
          directory + " takes no unnamed files: " + std::strerror(errno),
          "name another with --journal-dir; without it slow clients may lose messages"};
}

std::vector<Finding> strays(const DoctorOptions& options, const std::string& base) {
  std::vector<Finding> findings;
  std::error_code ignored;
  if (!fs::is_directory(base, ignored)) return findings;  // find_strays() would make it
  for (const RuntimeDir::Stray& stray : RuntimeDir::find_strays(base)) {
    const std::string what = stray.directory + " of a gateway that is gone, with " +
                             std::to_string(stray.processes.size()) + " running processes";
    if (options.fix) {
      RuntimeDir::remove_stray(stray);
      findings.push_back({"strays", Verdict::fine, "removed " + what, ""});
    } else {
      findings.push_back({"strays", Verdict::problem, what,
                          "`perijove doctor --fix` ends them; so does the next start"});
    }
  }
  return findings;
}

Finding servers(const std::string& base) {
  std::string text;
  for (const ServerEntry& server : find_servers(base)) {
    text += (text.empty() ? "" : ", ") + server.url + " (pid " + std::to_string(server.pid) + ")";
  }
  return {"running gateways", Verdict::fine, text.empty() ? "none" : text, ""};
}

Finding default_port() {
  Shard shard;
  const ServeOptions defaults;
  HttpServer server(shard, {}, nullptr);
  const auto listening = server.listen(defaults.ip, defaults.port);
  const std::string where = defaults.ip + ":" + std::to_string(defaults.port);
  if (listening) return {"port", Verdict::fine, where + " is free", ""};
  return {"port", Verdict::warning, where + " is taken", "choose another with --port, or 0"};
}

// What a program prints, when it ends in order and in time.
std::optional<std::string> output_of(const SpawnRequest& request) {
  constexpr auto kLimit = std::chrono::seconds(20);
  Shard shard;
  std::string output;
  std::optional<ProcessExit> ended;
  const auto child = ChildProcess::spawn(
      shard, request, [&](ByteView bytes) { output += bytes; },
      [&](ProcessExit status) {
        ended = status;
        shard.stop();
      });
  if (!child) return std::nullopt;
  boost::asio::steady_timer limit(shard.loop(), kLimit);
  limit.async_wait([&](const boost::system::error_code& error) {
    if (!error) shard.stop();
  });
  shard.run();
  if (!ended || ended->code != 0) return std::nullopt;
  return output;
}

std::vector<Finding> kernelspecs(const Environment& environment) {
  std::vector<Finding> findings;
  const auto catalogue = KernelspecCatalogue::blocking_scan(kernelspec_path(environment));
  if (catalogue.entries().empty()) {
    std::string searched;
    for (const std::string& directory : catalogue.directories()) {
      searched += (searched.empty() ? "" : ", ") + directory;
    }
    findings.push_back({"kernelspecs", Verdict::problem, "none; searched: " + searched,
                        "for Python: apt-get install python3-ipykernel, or pip install ipykernel"});
  }
  for (const auto& fault : catalogue.faults()) {
    findings.push_back({"kernelspecs", Verdict::problem, fault.path + ": " + fault.reason,
                        "mend it or remove its directory"});
  }
  for (const auto& [name, entry] : catalogue.entries()) {
    const std::vector<std::string> argv = launch_argv(entry.spec, {});
    const auto program = find_program({.argv = argv, .env = environment, .work_dir = "/"});
    if (!program) {
      findings.push_back(
          {"kernelspec " + name, Verdict::problem, program.error().message,
           "install it, or correct argv in " + entry.spec.resource_dir + "/kernel.json"});
      continue;
    }
    const bool is_ipykernel =
        std::find(argv.begin(), argv.end(), "ipykernel_launcher") != argv.end();
    if (!is_ipykernel) {
      findings.push_back({"kernelspec " + name, Verdict::fine, entry.spec.display_name, ""});
      continue;
    }
    const auto version = output_of({.argv = {argv.front(), "-c",
                                             "import ipykernel, sys; print('Python', "
                                             "sys.version.split()[0] + ',', 'ipykernel', "
                                             "ipykernel.__version__)"},
                                    .env = environment,
                                    .work_dir = "/"});
    if (version) {
      findings.push_back({"kernelspec " + name, Verdict::fine, std::string(trim(*version)), ""});
    } else {
      findings.push_back({"kernelspec " + name, Verdict::problem,
                          argv.front() + " cannot import ipykernel",
                          argv.front() + " -m pip install ipykernel"});
    }
  }
  return findings;
}

// What `serve` makes of its default.
Finding default_isolation(RuntimeDir& runtime_dir, const Environment& environment) {
  IsolationPolicy policy = ServeOptions().gateway.isolation;
  if (const auto image = environment.find("PERIJOVE_DOCKER_IMAGE"); image != environment.end()) {
    policy.docker_image = image->second;
  }
  Shard shard;
  Provisioners provisioners(policy);
  for (auto& each : make_provisioners(runtime_dir, environment, policy)) {
    provisioners.add(std::move(each));
  }
  bool settled = false;
  provisioners.settle(shard, [&settled] { settled = true; });
  shard.run_until([&settled] { return settled; });
  const DefaultIsolation& found = provisioners.default_isolation();
  if (!found.kind.empty()) {
    return {"isolation", Verdict::fine, "kernels of `serve` get " + found.kind + ": " + found.why,
            ""};
  }
  return {"isolation", Verdict::warning, found.why, "apt install bubblewrap"};
}

// What can be kept from what here. No isolation is no finding: it needs nothing.
std::vector<Finding> isolation(const std::string& base, const Environment& environment) {
  std::vector<Finding> findings;
  auto runtime_dir = RuntimeDir::create(base);
  if (!runtime_dir) return findings;  // said above
  findings.push_back(default_isolation(*runtime_dir, environment));
  for (auto& each : make_provisioners(*runtime_dir, environment, {})) {
    if (each->kind() == "none") continue;
    Shard shard;
    const auto provisioner = std::move(each);  // ends before its shard does
    Finding finding{"isolation " + std::string(provisioner->kind()), Verdict::fine, "", ""};
    provisioner->probe(shard, [&](const Result<std::vector<std::string>>& found) {
      if (found) {
        for (const std::string& fact : *found) {
          finding.text += (finding.text.empty() ? "" : "; ") + fact;
        }
      } else {
        finding.verdict = Verdict::warning;
        finding.text = found.error().message;
        finding.remedy = "only needed for `--isolation " + std::string(provisioner->kind()) + "`";
      }
      shard.stop();
    });
    shard.run();
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

std::vector<Finding> examine(const DoctorOptions& options) {
  const std::string base =
      options.runtime_base.empty() ? RuntimeDir::default_base() : options.runtime_base;
  const Environment environment = own_environment();
  std::vector<Finding> findings = {system_calls(), libzmq(), open_files(), runtime_dir(base),
                                   journal_dir()};
  for (auto& each : kernelspecs(environment)) findings.push_back(std::move(each));
  for (auto& each : strays(options, base)) findings.push_back(std::move(each));
  std::error_code ignored;
  const bool base_was_there = fs::exists(base, ignored);
  for (auto& each : isolation(base, environment)) findings.push_back(std::move(each));
  if (!base_was_there) fs::remove(base, ignored);  // made for a moment, and empty again
  findings.push_back(servers(base));
  findings.push_back(default_port());
  return findings;
}

}  // namespace perijove
