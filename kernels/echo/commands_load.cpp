#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "common/json_text.hpp"
#include "echo/command.hpp"

namespace perijove::kernels::echo {
namespace {

constexpr std::uint64_t kMessagesMax = 1'000'000'000;
constexpr std::uint64_t kBytesMax = std::uint64_t{2} << 30;

void sleep(Cell& cell, Arguments arguments) {
  cell.server.interrupt().sleep_for(arguments.seconds());
}

void busy(Cell& cell, Arguments arguments) {
  const auto end = std::chrono::steady_clock::now() + arguments.seconds();
  while (std::chrono::steady_clock::now() < end) cell.server.interrupt().check();
}

void lines(Cell& cell, Arguments arguments) {
  const std::uint64_t count = arguments.number("N", kMessagesMax);
  for (std::uint64_t i = 1; i <= count; ++i) {
    cell.server.interrupt().check();
    cell.write("stdout", std::to_string(i) + '\n');
  }
}

void flood(Cell& cell, Arguments arguments) {
  const std::uint64_t count = arguments.number("N", kMessagesMax);
  const auto size = static_cast<std::size_t>(arguments.number_or("BYTES", 0, kBytesMax));
  for (std::uint64_t i = 1; i <= count; ++i) {
    cell.server.interrupt().check();
    std::string content = R"({"name":"stdout","text":")";
    const std::string number = std::to_string(i);
    content += number;
    // The number, dots, and a newline: `size` bytes where that is enough.
    if (size > number.size() + 1) content.append(size - number.size() - 1, '.');
    content += R"(\n"})";
    cell.server.publish("stream", std::move(content));
  }
}

void big(Cell& cell, Arguments arguments) {
  const auto size = static_cast<std::size_t>(arguments.number("BYTES", kBytesMax));
  const std::string_view mime = arguments.word_or("text/plain");
  // Written as text: a JSON value would be copied and searched for characters to escape.
  std::string content = R"({"metadata":{},"transient":{},"data":{)" + json_string(mime) + R"(:")";
  content.reserve(content.size() + size + 3);
  content.append(size, 'A');
  content += R"("}})";
  cell.server.publish("display_data", std::move(content));
}

void buffers(Cell& cell, Arguments arguments) {
  const std::uint64_t count = arguments.number("N", 1000);
  const auto size = static_cast<std::size_t>(arguments.number("BYTES", kBytesMax));
  Buffers made(count, std::vector<char>(size));
  for (std::size_t n = 0; n < made.size(); ++n) {
    for (std::size_t i = 0; i < size; ++i) made[n][i] = static_cast<char>(n + i);
  }
  cell.state.comms.send_once(made);
}

void os_write(Cell& cell, Arguments arguments) {
  const auto fd = static_cast<int>(arguments.number("FD", 2));
  std::uint64_t left = arguments.number("BYTES", kBytesMax);
  // A pipe that is writable takes this much without blocking, so that the command can be
  // interrupted while nobody reads.
  constexpr std::uint64_t kAtOnce = 4096;
  const std::string chunk(kAtOnce, 'x');
  while (left > 0) {
    cell.server.interrupt().check();
    pollfd items[] = {{fd, POLLOUT, 0}, {cell.server.interrupt().fd(), POLLIN, 0}};
    if (poll(items, 2, -1) < 0 || items[0].revents == 0) continue;
    const auto written = ::write(fd, chunk.data(), std::min(left, kAtOnce));
    if (written < 0) throw CellError{"OSError", "nobody reads this descriptor any more", {}};
    left -= static_cast<std::uint64_t>(written);
  }
}

constexpr Command kCommands[] = {
    {"sleep", "SECONDS", "waits", sleep},
    {"busy", "SECONDS", "computes", busy},
    {"lines", "N", "the lines 1 to N on stdout, a message for each", lines},
    {"flood", "N [BYTES]", "N numbered stream messages of BYTES bytes, as fast as possible", flood},
    {"big", "BYTES [MIME]", "a display_data with that many letters A", big},
    {"buffers", "N BYTES", "a comm_msg with N buffers; byte i of buffer n is (n + i) mod 256",
     buffers},
    {"os-write", "FD BYTES", "writes to the process's own stdout (1) or stderr (2)", os_write},
};

}  // namespace

std::span<const Command> load_commands() { return kCommands; }

}  // namespace perijove::kernels::echo
