#pragma once

#include <unistd.h>

#include <cstddef>
#include <utility>

namespace perijove::kernels::guest {

/// Owns a file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const noexcept { return fd_; }

  void close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

/// Both ends of a pipe, closed on exec. `ours` does not block.
struct Pipe {
  Descriptor ours;
  Descriptor theirs;
};

/// These throw std::system_error when the process is out of descriptors.
Pipe pipe_to_read();
Pipe pipe_to_write();

/// Writes all of it, and waits where the pipe is full. False when the other side is gone or has
/// read nothing for ten seconds.
bool write_all(int fd, const char* data, std::size_t size);

}  // namespace perijove::kernels::guest
