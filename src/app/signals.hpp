#pragma once

#include <signal.h>

#include <boost/asio/signal_set.hpp>

namespace perijove {

/// Adds a signal to the set unless whoever started this process has it ignored: nohup wants SIGHUP
/// to do nothing, a script's background job does not hear the Ctrl-C of its terminal.
inline void add_unless_ignored(boost::asio::signal_set& signals, int number) {
  struct sigaction action {};
  if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  signals.add(number);
}

}  // namespace perijove
