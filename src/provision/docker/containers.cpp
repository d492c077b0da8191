#include "provision/docker/containers.hpp"

#include <poll.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"
#include "provision/docker/kept_directory.hpp"

namespace perijove::docker {
namespace {

constexpr auto kRetryFor = std::chrono::minutes(10);
constexpr auto kPatienceAtEnd = std::chrono::seconds(5);

std::optional<EngineCall> farewell_call(const std::string& name, Farewell farewell) {
  EngineCall call;
  switch (farewell) {
    case Farewell::remove:
      call.method = "DELETE";
      call.path = "/containers/" + name;
      call.query = {{"force", "1"}, {"v", "1"}};
      return call;
    case Farewell::stop:
      call.method = "POST";
      call.path = "/containers/" + name + "/stop";
      call.query = {{"t", "0"}};  // answered when it has stopped
      return call;
    case Farewell::nothing:
      break;
  }
  return std::nullopt;
}

// 404: it is gone; 409: it does not run, or its removal has begun.
bool is_done(const Result<std::string>& answer) {
  return answer || answer.error().code == Code::not_found ||
         answer.error().code == Code::already_exists;
}

// The engine writes `/name`.
std::string name_of(const nlohmann::json& container) {
  const auto names = container.find("Names");
  if (names == container.end() || !names->is_array() || names->empty()) return {};
  const auto& first = names->front();
  return first.is_string() ? first.get<std::string>().substr(1) : std::string();
}

}  // namespace

Containers::~Containers() {
  const TimePoint latest = Clock::now() + kPatienceAtEnd;
  for (const auto& [name, made] : made_) {
    auto call = farewell_call(name, made.farewell);
    const Duration left = latest - Clock::now();
    if (!call || left <= Duration::zero()) continue;
    call->timeout = left;
    auto answer = blocking_call(address_, *call);
    // What the daemon was told to create when our loop stopped comes about in a moment.
    constexpr auto kMoment = std::chrono::seconds(1);
    constexpr int kPauseMs = 20;
    const TimePoint given_up = Clock::now() + kMoment;
    while (made.expected && !answer && answer.error().code == Code::not_found &&
           Clock::now() < given_up) {
      ::poll(nullptr, 0, kPauseMs);
      answer = blocking_call(address_, *call);
    }
    if (!is_done(answer)) {
      log::warning("container_left", {{"container", name}, {"reason", answer.error().message}});
    }
  }
}

void Containers::add(const std::string& name, Farewell farewell, std::shared_ptr<Engine> engine) {
  made_[name] = {farewell, std::move(engine)};
}

void Containers::expect(const std::string& name, Farewell farewell,
                        std::shared_ptr<Engine> engine) {
  made_[name] = {.farewell = farewell, .engine = std::move(engine), .expected = true};
}

bool Containers::is_ending(const std::string& name) const {
  const auto found = made_.find(name);
  return found != made_.end() && found->second.ending;
}

void Containers::end(const std::shared_ptr<Containers>& self, const std::string& name) {
  const auto found = self->made_.find(name);
  if (found == self->made_.end()) return;
  auto call = farewell_call(name, found->second.farewell);
  if (!call) {
    self->made_.erase(found);
    return;
  }
  call->retry_for = kRetryFor;
  found->second.ending = true;
  found->second.engine->call(
      *std::move(call), [weak = std::weak_ptr(self), name](const Result<std::string>& answer) {
        const auto containers = weak.lock();
        if (!containers) return;
        if (is_done(answer)) {
          containers->made_.erase(name);
        } else {
          log::warning("container_left", {{"container", name}, {"reason", answer.error().message}});
        }
      });
}

void sweep_strays(const std::shared_ptr<Engine>& asked, const GatewayIdentity& own,
                  std::function<void(Result<std::size_t>)> done) {
  EngineCall list;
  list.path = "/containers/json";
  list.query = {{"all", "1"}, {"filters", make_filters({{"label", {kGatewayLabel}}})}};
  asked->call(std::move(list), [weak = std::weak_ptr(asked), own,
                                done = std::move(done)](Result<std::string> answer) {
    const auto engine = weak.lock();
    if (!engine) return;
    if (!answer) {
      done(answer.error());
      return;
    }
    const auto document = parse_json(*answer);
    if (!document || !document->is_array()) {
      done(Error{Code::data_loss, "Docker: the list of containers cannot be read"});
      return;
    }
    const std::string base = std::filesystem::path(own.runtime_dir).parent_path();
    std::vector<std::string> names;
    // Its last share is dropped by the last answer.
    const auto count = std::make_shared<std::size_t>(0);
    const std::shared_ptr<void> all_answered(nullptr, [count, done](void*) { done(*count); });
    for (const nlohmann::json& each : *document) {
      if (!each.is_object() || !each.contains("Labels") || !each["Labels"].is_object()) continue;
      const std::string name = name_of(each);
      names.push_back(name);
      const auto identity = parse_identity(json_text(each["Labels"], kGatewayLabel));
      if (!identity || *identity == own || !is_dead(*identity, own, look_at(*identity))) continue;
      const std::string keep = json_text(each["Labels"], kKeepLabel);
      if (keep == "running") continue;
      // A living gateway may run a kernel in a container that a dead one has made.
      if (keep == "files" &&
          (json_text(each, "State") != "running" || KeptDirectory::is_taken(base, name))) {
        continue;
      }
      const std::string id = json_text(each, "Id");
      auto call = farewell_call(id, keep == "files" ? Farewell::stop : Farewell::remove);
      engine->call(*std::move(call), [id, count, all_answered](const Result<std::string>& ended) {
        if (is_done(ended)) ++*count;
        log::warning("stray_container",
                     {{"container", id.substr(0, 12)}, {"removed", is_done(ended) ? "yes" : "no"}});
      });
    }
    KeptDirectory::remove_orphans(base, engine->address().describe(), names);
  });
}

}  // namespace perijove::docker
