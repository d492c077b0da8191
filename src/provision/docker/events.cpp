#include "provision/docker/events.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::docker {
namespace {

constexpr auto kPauseMin = std::chrono::milliseconds(100);
constexpr auto kPauseMax = std::chrono::seconds(2);
constexpr std::int64_t kNanoseconds = 1'000'000'000;

}  // namespace

void JsonLines::feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > kLineBytesMax) {
      skipping_ = true;
      partial_.clear();
    }
    if (!skipping_) partial_ += piece;
    if (end == bytes.npos) return;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(partial_, {});
    if (!std::exchange(skipping_, false) && !line.empty()) on_line(line);
  }
}

void ContainerEvents::watch(const std::string& container_id,
                            std::weak_ptr<ContainerWatcher> watcher) {
  watchers_[container_id] = std::move(watcher);
  if (!stream_ && !reconnecting_) connect();
}

void ContainerEvents::connect() {
  EngineCall call;
  call.path = "/events";
  call.timeout = kNoTimeout;
  call.query = {{"filters", make_filters({{"type", {"container"}},
                                          {"event", {"die", "destroy", "oom"}},
                                          {"label", {label_}}})}};
  if (!since_.empty()) call.query.emplace_back("since", since_);
  const auto weak = weak_from_this();
  EngineStream functions;
  functions.on_begin = [weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->pause_ = Duration::zero();
    self->reconnecting_ = false;
    // Also after the first connection: a container may have ended before it stood.
    std::vector<std::shared_ptr<ContainerWatcher>> watchers;
    for (const auto& [id, held] : self->watchers_) {
      if (auto watcher = held.lock()) watchers.push_back(std::move(watcher));
    }
    for (const auto& watcher : watchers) watcher->on_daemon_back();
  };
  functions.on_bytes = [weak](std::string_view bytes) {
    if (const auto self = weak.lock()) {
      self->lines_.feed(bytes, [&self](std::string_view line) { self->read_event(line); });
    }
  };
  stream_ = engine_->stream(std::move(call), std::move(functions),
                            [weak](const Result<std::string>& end) {
                              const auto self = weak.lock();
                              if (!self) return;
                              if (!end) {
                                log::debug("docker_events_lost", {{"reason", end.error().message}});
                              }
                              self->lost();
                            });
}

void ContainerEvents::read_event(std::string_view line) {
  const auto event = parse_json(line);
  if (!event || !event->is_object()) return;
  if (const auto time = event->find("timeNano");
      time != event->end() && time->is_number_integer()) {
    const auto nano = time->get<std::int64_t>();
    std::string fraction = std::to_string(nano % kNanoseconds);
    fraction.insert(0, 9 - std::min<std::size_t>(fraction.size(), 9), '0');
    since_ = std::to_string(nano / kNanoseconds) + "." + fraction;
  }
  const auto actor = event->find("Actor");
  if (actor == event->end() || !actor->is_object()) return;
  const auto found = watchers_.find(json_text(*actor, "ID"));
  if (found == watchers_.end()) return;
  const auto watcher = found->second.lock();
  if (!watcher) return;
  if (json_text(*event, "Action") == "oom") {
    watcher->on_out_of_memory();
    return;
  }
  std::optional<int> exit_code;
  if (const auto attributes = actor->find("Attributes");
      attributes != actor->end() && attributes->is_object()) {
    const std::string text = json_text(*attributes, "exitCode");
    int code = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error == std::errc() && end == text.data() + text.size()) exit_code = code;
  }
  watcher->on_died(exit_code);
}

// Nobody left to watch for: the connection is not made again.
void ContainerEvents::lost() {
  stream_.reset();
  lines_ = {};
  reconnecting_ = false;
  std::erase_if(watchers_, [](const auto& entry) { return entry.second.expired(); });
  if (watchers_.empty()) return;
  reconnecting_ = true;
  pause_ = std::clamp<Duration>(2 * pause_, kPauseMin, kPauseMax);
  timer_.expires_after(pause_);
  timer_.async_wait([weak = weak_from_this()](const auto& error) {
    const auto self = weak.lock();
    if (!error && self) self->connect();
  });
}

}  // namespace perijove::docker
