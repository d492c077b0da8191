#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "host.hpp"
#include "zmq_client.hpp"

extern char** environ;

namespace bench {

namespace {

namespace fs = std::filesystem;

struct Kernelspec {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  bool interrupt_by_message = false;
};

std::vector<fs::path> jupyter_paths() {
  std::vector<fs::path> paths;
  const char* value = std::getenv("JUPYTER_PATH");
  std::string_view listed = value == nullptr ? "" : value;
  while (!listed.empty()) {
    const auto end = std::min(listed.find(':'), listed.size());
    paths.emplace_back(listed.substr(0, end));
    listed.remove_prefix(std::min(end + 1, listed.size()));
  }
  if (const char* home = std::getenv("HOME"))
    paths.push_back(fs::path(home) / ".local/share/jupyter");
  paths.emplace_back("/usr/local/share/jupyter");
  paths.emplace_back("/usr/share/jupyter");
  return paths;
}

Kernelspec find_kernelspec(const std::string& name) {
  std::string searched;
  for (const fs::path& path : jupyter_paths()) {
    const fs::path directory = path / "kernels" / name;
    searched += " " + directory.string();
    std::ifstream file(directory / "kernel.json");
    if (!file) continue;
    const auto json = nlohmann::json::parse(file);
    Kernelspec spec;
    for (std::string argument : json.at("argv")) {
      constexpr std::string_view kResources = "{resource_dir}";
      if (const auto at = argument.find(kResources); at != std::string::npos) {
        argument.replace(at, kResources.size(), directory.string());
      }
      spec.argv.push_back(std::move(argument));
    }
    spec.env = json.value("env", spec.env);
    spec.interrupt_by_message = json.value("interrupt_mode", "signal") == "message";
    return spec;
  }
  throw std::runtime_error("kernelspec '" + name + "' not found; searched:" + searched);
}

/// Free ports below the ephemeral range, where no outgoing connection can take them meanwhile.
std::array<int, 5> pick_ports() {
  static std::mutex mutex;
  static int next = 12000 + static_cast<int>(std::random_device()() % 10000);
  const std::lock_guard lock(mutex);
  std::array<int, 5> ports{};
  for (int& port : ports) {
    while (port == 0) {
      if (++next >= 32000) next = 12000;
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(next));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) port = next;
      close(fd);
    }
  }
  return ports;
}

/// A child in a process group of its own, with its output discarded.
pid_t spawn(const Kernelspec& spec, const std::string& connection_file) {
  std::vector<std::string> argv = spec.argv;
  for (std::string& argument : argv) {
    constexpr std::string_view kPlaceholder = "{connection_file}";
    if (const auto at = argument.find(kPlaceholder); at != std::string::npos) {
      argument.replace(at, kPlaceholder.size(), connection_file);
    }
  }
  std::vector<char*> arguments;
  for (std::string& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  // Kernels that know the variable end themselves when this program is killed.
  std::vector<std::string> added = {"JPY_PARENT_PID=" + std::to_string(getpid())};
  for (const auto& [name, value] : spec.env) added.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& entry : added) environment.push_back(entry.data());
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot start " + argv[0]);
  }
  return pid;
}

class DirectKernel final : public Kernel {
 public:
  DirectKernel(zmq::context_t& context, Kernelspec spec, const std::string& transport,
               const fs::path& directory)
      : context_(context), spec_(std::move(spec)), file_(directory / "connection.json") {
    fs::create_directory(directory);
    connection_.transport = transport;
    if (transport == "ipc") {
      connection_.ip = directory / "channel";
      connection_.ports = {1, 2, 3, 4, 5};
    } else {
      connection_.ip = "127.0.0.1";
      connection_.ports = pick_ports();
    }
    connection_.key = unique_session_id();
    launch();
  }
  ~DirectKernel() override {
    try {
      shut_down();
    } catch (const std::exception&) {
      // Only a socket call can fail here, and the process has been waited for or killed by then.
    }
    std::error_code error;
    fs::remove_all(file_.parent_path(), error);
  }

  std::unique_ptr<Client> connect(Loop& loop, Framing, Ack) override {
    return std::make_unique<ZmqClient>(loop, context_, connection_);
  }

  void interrupt() override {
    if (spec_.interrupt_by_message) {
      send_control("interrupt_request", "{}");
    } else {
      kill(-pid_, SIGINT);
    }
  }

  void restart() override {
    end_process("{\"restart\":true}");
    launch();
  }

  void shut_down() override { end_process("{\"restart\":false}"); }

 private:
  void launch() {
    // Written anew for every start: a kernel may rewrite the file.
    std::ofstream(file_) << connection_.to_json();
    pid_ = spawn(spec_, file_);
    control_ = zmq::socket_t(context_, zmq::socket_type::dealer);
    control_.set(zmq::sockopt::linger, 0);
    control_.set(zmq::sockopt::reconnect_ivl, 1);
    control_.connect(connection_.endpoint(static_cast<std::size_t>(Channel::kControl)));
  }

  void send_control(std::string_view type, std::string_view content) {
    const std::string id = unique_session_id();
    Signer signer(connection_.key);
    send_request(control_, signer, {Channel::kControl, type, id, content, {}}, "bench-control");
  }

  void end_process(std::string_view shutdown_content) {
    if (pid_ <= 0) return;
    send_control("shutdown_request", shutdown_content);
    if (!reaped_within(seconds(5))) {
      kill(-pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    kill(-pid_, SIGKILL);  // what the kernel may have left behind in its group
    pid_ = 0;
    control_.close();
  }

  bool reaped_within(Clock::duration time) {
    const TimePoint deadline = Clock::now() + time;
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (Clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
  }

  zmq::context_t& context_;
  Kernelspec spec_;
  fs::path file_;
  ConnectionInfo connection_;
  zmq::socket_t control_;
  pid_t pid_ = 0;
};

class DirectHost final : public Host {
 public:
  DirectHost(std::string name, std::string transport)
      : Host(std::move(name)), transport_(std::move(transport)) {
    std::string pattern = fs::temp_directory_path() / "perijove-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "cannot make " + pattern);
    }
    directory_ = pattern;
    context_.set(zmq::ctxopt::max_sockets, 65535);
  }
  ~DirectHost() override {
    std::error_code error;
    fs::remove_all(directory_, error);
  }

  std::unique_ptr<Kernel> start_kernel(const std::string& kernelspec) override {
    return std::make_unique<DirectKernel>(context_, find_kernelspec(kernelspec), transport_,
                                          directory_ / std::to_string(++kernels_started_));
  }

 private:
  std::string transport_;
  fs::path directory_;
  zmq::context_t context_;
  std::atomic<int> kernels_started_{0};
};

}  // namespace

std::unique_ptr<Host> make_direct_host(std::string name, std::string transport) {
  return std::make_unique<DirectHost>(std::move(name), std::move(transport));
}

}  // namespace bench
