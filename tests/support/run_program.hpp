#pragma once

#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <string>

#include "io/child_process.hpp"
#include "io/shard.hpp"

namespace perijove::testing {

struct ProgramEnd {
  bool ok = false;     ///< It ended by itself, in time, with 0.
  std::string output;  ///< Standard output and error.
};

/// Runs a program to its end, for a minute at most.
inline ProgramEnd run_program(const SpawnRequest& request) {
  ProgramEnd end;
  Shard shard;
  const auto child = ChildProcess::spawn(
      shard, request, [&](ByteView bytes) { end.output += bytes; },
      [&](ProcessExit exit) {
        end.ok = exit.code == 0;
        shard.stop();
      });
  if (!child) {
    end.output = child.error().message;
    return end;
  }
  boost::asio::steady_timer deadline(shard.loop(), std::chrono::minutes(1));
  deadline.async_wait([&](const boost::system::error_code& error) {
    if (!error) shard.stop();
  });
  shard.run();
  return end;
}

}  // namespace perijove::testing
