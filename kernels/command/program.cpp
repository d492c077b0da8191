#include "command/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "guest/descriptor.hpp"

namespace perijove::kernels::command {
namespace {

using guest::Descriptor;

std::system_error system_failure(const std::string& what) {
  return {errno, std::generic_category(), what};
}

void write_code(const Descriptor& file, std::string_view prologue, std::string_view code) {
  if (!guest::write_all(file.get(), prologue.data(), prologue.size()) ||
      !guest::write_all(file.get(), code.data(), code.size())) {
    throw system_failure("cannot write the code to a file");
  }
}

/// A directory that only this user may enter, removed with all that is in it.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    std::error_code fault;
    std::filesystem::path parent = std::filesystem::temp_directory_path(fault);
    if (fault) parent = "/tmp";
    std::string pattern = (parent / "perijove-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw system_failure("cannot make " + pattern);
    path_ = pattern;
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

std::string filled_in(std::string text, std::string_view name, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size()) {
    text.replace(at, name.size(), value);
  }
  return text;
}

}  // namespace

Program::Program(const Language& language, std::string executable, Server& server,
                 guest::Outputs& outputs)
    : language_(language), executable_(std::move(executable)), server_(server), outputs_(outputs) {}

BlockEnd Program::run(std::string_view code) {
  const std::string prologue = prologue_for(language_, code);
  const PrivateDirectory directory;
  const std::string file =
      directory.path() + "/block" + language_.info["file_extension"].get<std::string>();
  Descriptor input(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (language_.passing == CodePassing::kFile) {
    const Descriptor written(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (written.get() < 0) throw system_failure("cannot make " + file);
    write_code(written, prologue, code);
  } else {
    input = Descriptor(memfd_create("code", MFD_CLOEXEC));
    if (input.get() < 0) throw system_failure("memfd_create");
    write_code(input, prologue, code);
    lseek(input.get(), 0, SEEK_SET);
  }
  auto standard_output = guest::pipe_to_read();
  auto standard_error = guest::pipe_to_read();

  guest::ProcessOptions options;
  options.file = executable_;
  options.argv = {executable_};
  for (const std::string& argument : language_.arguments) {
    options.argv.push_back(
        filled_in(filled_in(argument, "{file}", file), "{directory}", directory.path()));
  }
  std::vector<std::string_view> replaced;
  for (const std::string_view each : language_.environment) {
    replaced.push_back(each.substr(0, each.find('=')));
  }
  options.environment = guest::environment_without(replaced);
  options.environment.insert(options.environment.end(), language_.environment.begin(),
                             language_.environment.end());
  options.descriptors = {{input.get(), STDIN_FILENO},
                         {standard_output.theirs.get(), STDOUT_FILENO},
                         {standard_error.theirs.get(), STDERR_FILENO}};
  guest::Process process(options);
  standard_output.theirs.close();
  standard_error.theirs.close();
  std::vector<guest::Outputs::Source> sources;
  sources.push_back({std::move(standard_output.ours), "stdout"});
  sources.push_back({std::move(standard_error.ours), "stderr"});
  outputs_.attach(std::move(sources));

  BlockEnd end;
  end.interrupted = await_end(process);
  // What it printed is complete before what it left behind is killed, and once more after that.
  outputs_.catch_up();
  end.end = process.wait();
  guest::end_descendants();
  outputs_.catch_up();
  return end;
}

/// Returns whether it was interrupted.
bool Program::await_end(const guest::Process& process) {
  constexpr int kGraceMilliseconds = 1000;
  bool interrupted = false;
  for (;;) {
    std::array polled = {pollfd{process.exit_fd(), POLLIN, 0},
                         pollfd{server_.interrupt().fd(), POLLIN, 0}};
    const int ready = poll(polled.data(), polled.size(), interrupted ? kGraceMilliseconds : -1);
    if ((polled[0].revents & POLLIN) != 0) return interrupted;
    const bool again = server_.interrupt().requested();
    if (!again && !(ready == 0 && interrupted)) continue;
    const bool at_once = interrupted || server_.stopping();
    server_.interrupt().forget();
    interrupted = true;
    kill(-process.id(), at_once ? SIGKILL : SIGINT);
  }
}

}  // namespace perijove::kernels::command
