#include "guest/capture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace perijove::kernels::guest {

Capture run_and_capture(ProcessOptions options, Captured captured, std::string_view input,
                        std::optional<std::chrono::milliseconds> patience) {
  using std::chrono::steady_clock;
  const Descriptor standard_input(memfd_create("input", MFD_CLOEXEC));
  if (standard_input.get() < 0 || !write_all(standard_input.get(), input.data(), input.size()) ||
      lseek(standard_input.get(), 0, SEEK_SET) != 0) {
    throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  auto pipe = pipe_to_read();
  const auto end_of = [&](Captured other) {
    return captured == other ? null.get() : pipe.theirs.get();
  };
  options.descriptors = {{standard_input.get(), STDIN_FILENO},
                         {end_of(Captured::kStderr), STDOUT_FILENO},
                         {end_of(Captured::kStdout), STDERR_FILENO}};
  Process process(options);
  pipe.theirs.close();

  const auto limit = steady_clock::now() + patience.value_or(std::chrono::milliseconds(0));
  Capture made;
  for (;;) {
    std::array<char, 4096> bytes;
    const ssize_t count = read(pipe.ours.get(), bytes.data(), bytes.size());
    if (count > 0) {
      made.text.append(bytes.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      break;
    } else {
      int left = -1;
      if (patience) {
        const auto rest = std::chrono::ceil<std::chrono::milliseconds>(limit - steady_clock::now());
        left = static_cast<int>(std::max<std::chrono::milliseconds::rep>(rest.count(), 0));
      }
      pollfd readable{pipe.ours.get(), POLLIN, 0};
      if (poll(&readable, 1, left) == 0) {
        kill(-process.id(), SIGKILL);
        break;
      }
    }
  }
  made.status = process.wait().status;
  return made;
}

}  // namespace perijove::kernels::guest
