#include "javascript/node.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "javascript/host_script.hpp"

namespace perijove::kernels::javascript {

using nlohmann::json;

namespace {

// The descriptors that host.js knows.
constexpr int kRequests = 3;
constexpr int kAnswers = 4;
constexpr int kInterrupts = 5;
constexpr int kScript = 6;  // host.js itself

}  // namespace

Node::Node(std::string node, Server& server, guest::Outputs& outputs, Display display)
    : node_(std::move(node)), server_(server), outputs_(outputs), display_(std::move(display)) {}

Node::~Node() { stop(); }

void Node::start() {
  auto requests = guest::pipe_to_write();
  auto answers = guest::pipe_to_read();
  auto interrupts = guest::pipe_to_write();
  auto standard_output = guest::pipe_to_read();
  auto standard_error = guest::pipe_to_read();
  const guest::Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const guest::Descriptor script(memfd_create("host.js", MFD_CLOEXEC));
  const std::string_view text = kHostScript;
  if (script.get() < 0 || !guest::write_all(script.get(), text.data(), text.size())) {
    throw std::runtime_error("cannot hand its script to node");
  }
  lseek(script.get(), 0, SEEK_SET);

  guest::ProcessOptions options;
  options.file = node_;
  options.argv = {"node", "-e",
                  "eval(require('fs').readFileSync(6, 'utf8')); require('fs').closeSync(6)"};
  options.environment = guest::environment_without({});
  options.descriptors = {{null.get(), STDIN_FILENO},
                         {standard_output.theirs.get(), STDOUT_FILENO},
                         {standard_error.theirs.get(), STDERR_FILENO},
                         {requests.theirs.get(), kRequests},
                         {answers.theirs.get(), kAnswers},
                         {interrupts.theirs.get(), kInterrupts},
                         {script.get(), kScript}};
  process_ = guest::Process(options);
  alive_ = true;
  requests_ = std::move(requests.ours);
  answers_ = std::move(answers.ours);
  interrupts_ = std::move(interrupts.ours);
  partial_answer_.clear();
  std::vector<guest::Outputs::Source> sources;
  sources.push_back({std::move(standard_output.ours), "stdout"});
  sources.push_back({std::move(standard_error.ours), "stderr"});
  outputs_.attach(std::move(sources));
}

Answer Node::ask(const json& request) {
  if (!alive_) start();
  const std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  guest::write_all(requests_.get(), line.data(), line.size());  // false: node's end shows below
  Answer answer;
  std::optional<json> done;
  bool exited = false;
  repeats_left_ = 0;
  while (!done && !exited) {
    std::array polled = {pollfd{answers_.get(), POLLIN, 0},
                         pollfd{server_.interrupt().fd(), POLLIN, 0},
                         pollfd{process_.exit_fd(), POLLIN, 0}};
    constexpr int kRepeatMilliseconds = 20;
    poll(polled.data(), polled.size(), repeats_left_ > 0 ? kRepeatMilliseconds : -1);
    exited = (polled[2].revents & POLLIN) != 0;
    done = read_answers();
    if (!server_.interrupt().requested()) {
      repeat_lost_interrupt();
      continue;
    }
    answer.interrupted = true;
    if (server_.stopping()) {
      stop();
      return answer;
    }
    server_.interrupt().forget();
    interrupt();
  }
  outputs_.catch_up();
  if (done) {
    answer.done = std::move(*done);
    guest::reap_orphans(process_.id());
  } else {
    answer.end = process_.wait();
    alive_ = false;
    guest::end_descendants();
    outputs_.catch_up();
  }
  return answer;
}

void Node::interrupt() {
  constexpr int kRepeatsMax = 10;
  constexpr long long kStartingTicks = 5;
  guest::write_all(interrupts_.get(), "!", 1);
  // For programs that it waits for; node itself takes no notice.
  interrupted_at_ = guest::start_clock() - kStartingTicks;
  kill(-process_.id(), SIGINT);
  repeats_left_ = kRepeatsMax;
}

// Node may have been starting a program, which forgets a signal that comes before it is set up.
void Node::repeat_lost_interrupt() {
  if (repeats_left_ == 0) return;
  --repeats_left_;
  if (guest::has_newcomer(process_.id(), interrupted_at_)) kill(-process_.id(), SIGINT);
}

std::optional<json> Node::read_answers() {
  std::array<char, 65536> bytes;
  for (ssize_t count; (count = read(answers_.get(), bytes.data(), bytes.size())) > 0;) {
    partial_answer_.append(bytes.data(), static_cast<std::size_t>(count));
  }
  std::optional<json> done;
  std::size_t begin = 0;
  for (std::size_t end; (end = partial_answer_.find('\n', begin)) != std::string::npos;) {
    if (auto last = take_line(partial_answer_.substr(begin, end - begin))) done = std::move(last);
    begin = end + 1;
  }
  partial_answer_.erase(0, begin);
  return done;
}

std::optional<json> Node::take_line(const std::string& line) {
  json answer = json::parse(line, nullptr, false);
  if (!answer.is_object()) return std::nullopt;
  if (answer.contains("display")) {
    outputs_.catch_up();
    display_(answer["display"]);
  }
  if (!answer.contains("done")) return std::nullopt;
  return std::move(answer["done"]);
}

void Node::stop() {
  if (alive_) {
    kill(process_.id(), SIGKILL);
    outputs_.catch_up();
    alive_ = false;
  }
  guest::end_descendants();
}

}  // namespace perijove::kernels::javascript
