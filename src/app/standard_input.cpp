#include "app/standard_input.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace perijove {

// A descriptor of its own, so that closing it leaves standard input open. Nothing is ever made
// non-blocking: that would be so for the shell that shares the terminal, too.
StandardInput::StandardInput(Shard& shard)
    : descriptor_(shard.loop(), ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) {}

StandardInput::~StandardInput() { cancel(); }

bool StandardInput::is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

void StandardInput::show_typing(bool shown) {
  termios state{};
  if (::tcgetattr(descriptor_.native_handle(), &state) != 0) return;  // not a terminal
  if (shown) {
    state.c_lflag |= ECHO;
  } else {
    state.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  }
  ::tcsetattr(descriptor_.native_handle(), TCSANOW, &state);
}

void StandardInput::read_line(bool hidden, std::function<void(std::string)> done) {
  done_ = std::move(done);
  hidden_ = hidden;
  if (hidden_) show_typing(false);
  wait();
}

void StandardInput::wait() {
  const auto readable = [this](const boost::system::error_code& error) {
    // Files are always readable, and cannot be waited for.
    if (error && error != boost::asio::error::operation_not_supported) return;  // cancelled
    deliver();
  };
  if (ended_ || buffer_.find('\n') != std::string::npos) {
    boost::asio::post(descriptor_.get_executor(), [readable] { readable({}); });
  } else {
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, readable);
  }
}

void StandardInput::deliver() {
  if (!done_) return;
  std::size_t end = buffer_.find('\n');
  if (end == std::string::npos && !ended_) {
    char bytes[4096];
    const ssize_t got = ::read(descriptor_.native_handle(), bytes, sizeof bytes);
    if (got > 0) {
      buffer_.append(bytes, static_cast<std::size_t>(got));
    } else {
      // A terminal goes on after Ctrl-D; everything else has ended.
      ended_ = !is_terminal();
      if (buffer_.empty()) buffer_ = "\x04";
      buffer_ += '\n';
    }
    wait();
    return;
  }
  std::string line = end == std::string::npos ? "\x04" : buffer_.substr(0, end);
  if (end != std::string::npos) buffer_.erase(0, end + 1);
  if (std::exchange(hidden_, false)) show_typing(true);
  std::exchange(done_, nullptr)(std::move(line));
}

void StandardInput::cancel() {
  done_ = nullptr;
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
  if (std::exchange(hidden_, false)) show_typing(true);
}

}  // namespace perijove
