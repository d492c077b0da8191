#include "python/capture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

namespace perijove::kernels::python {
namespace {

struct Stream {
  int fd;
  const char* name;
};

constexpr std::array<Stream, 2> kStreams = {Stream{STDOUT_FILENO, "stdout"},
                                            Stream{STDERR_FILENO, "stderr"}};

}  // namespace

Capture::Capture(Server& server) : outputs_(server) {
  std::vector<guest::Outputs::Source> sources;
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    constexpr int kBeyondThoseOfPrograms = 10;
    originals_[i] =
        guest::Descriptor(fcntl(kStreams[i].fd, F_DUPFD_CLOEXEC, kBeyondThoseOfPrograms));
    guest::Pipe pipe = guest::pipe_to_read();
    if (dup2(pipe.theirs.get(), kStreams[i].fd) < 0) {
      throw std::system_error(errno, std::generic_category(), "dup2");
    }
    sources.push_back({std::move(pipe.ours), kStreams[i].name});
  }
  outputs_.attach(std::move(sources));
}

Capture::~Capture() {
  std::fflush(nullptr);
  outputs_.catch_up();
  give_back();
}

void Capture::give_back() const noexcept {
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    if (originals_[i].get() >= 0) dup2(originals_[i].get(), kStreams[i].fd);
  }
}

}  // namespace perijove::kernels::python
