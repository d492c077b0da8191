#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>

#include "io/shard.hpp"

namespace perijove {

/// Reads lines of standard input for code that asks, without holding up the loop: what somebody
/// types at the terminal, or what is piped in.
class StandardInput {
 public:
  explicit StandardInput(Shard& shard);
  ~StandardInput();
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

  /// Whether somebody sits at standard input.
  static bool is_terminal();

  /// Calls `done`, from the loop, with the next line, without its line break; with "\x04" at the
  /// end of input (what ipykernel turns into EOFError). `hidden`: what is typed is not shown. The
  /// loop must not run on without this object.
  void read_line(bool hidden, std::function<void(std::string)> done);
  /// Nobody waits for the line any more; makes typing visible again.
  void cancel();

 private:
  void show_typing(bool shown);
  void wait();
  void deliver();

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void(std::string)> done_;  // null: nobody waits
  std::string buffer_;                     // what was read beyond the last line
  bool hidden_ = false;
  bool ended_ = false;
};

}  // namespace perijove
