#pragma once

#include <array>
#include <optional>

#include "guest/descriptor.hpp"
#include "guest/outputs.hpp"

namespace perijove::kernels::python {

/// Takes over descriptors 1 and 2 of this process, so that what C code and programs that it starts
/// write there is published, too. Python's own sys.stdout and sys.stderr do not come this way.
///
/// Threads: the main thread only.
class Capture {
 public:
  /// Throws std::system_error when the process is out of descriptors.
  explicit Capture(Server& server);
  /// Publishes what is left, and gives the descriptors back.
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  void begin_block() { outputs_.begin_block(); }
  void catch_up() { outputs_.catch_up(); }

  /// In the child of a fork: gives the descriptors back, without a look at what is the parent's.
  void give_back() const noexcept;

  /// The stderr that the kernel was started with.
  int original_stderr() const noexcept { return originals_[1].get(); }

 private:
  guest::Outputs outputs_;
  std::array<guest::Descriptor, 2> originals_;
};

}  // namespace perijove::kernels::python
