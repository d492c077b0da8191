#pragma once

namespace perijove::kernels {

/// A flag that poll() can wait for: an eventfd.
///
/// Threads: every member may be called from any thread; set() from signal handlers too.
class Wakeup {
 public:
  Wakeup();  ///< Throws std::system_error when the process is out of file descriptors.
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  void set() const noexcept;
  void clear() const noexcept;

  /// Readable while the flag is set. Owned by this object.
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace perijove::kernels
