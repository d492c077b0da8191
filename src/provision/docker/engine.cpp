#include "provision/docker/engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "protocol/json.hpp"
#include "protocol/json_fields.hpp"

namespace perijove::docker {
namespace {

// The newest version whose answers and bodies we know, and the oldest that has what we need.
constexpr int kNewestMinor = 47;
constexpr int kOldestMinor = 40;
constexpr auto kPauseMin = std::chrono::milliseconds(100);
constexpr auto kPauseMax = std::chrono::seconds(2);

std::string encode_query(const HttpFields& query) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  const auto encode = [&](std::string_view text) {
    for (const char c : text) {
      const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == '~';
      if (plain) {
        out += c;
        continue;
      }
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  };
  for (const auto& [name, value] : query) {
    out += out.empty() ? '?' : '&';
    encode(name);
    out += '=';
    encode(value);
  }
  return out;
}

std::optional<int> minor_version(std::string_view text) {
  constexpr std::string_view kMajor = "1.";
  if (!text.starts_with(kMajor)) return std::nullopt;
  text.remove_prefix(kMajor.size());
  int minor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return minor;
}

// What stands before the path of a call: the newest version that both sides speak.
Result<std::string> agree_on_version(const HttpResponse& ping) {
  const std::string theirs(find_field(ping.headers, "Api-Version"));
  const auto minor = minor_version(theirs);
  if (!minor) {
    return Error{Code::failed_precondition,
                 "what answers does not say an Api-Version; is it a Docker daemon?"};
  }
  if (*minor < kOldestMinor) {
    return Error{Code::failed_precondition,
                 "the daemon speaks version " + theirs + " of the Engine API; 1." +
                     std::to_string(kOldestMinor) + " (Docker 19.03) or later is needed"};
  }
  return "/v1." + std::to_string(std::min(*minor, kNewestMinor));
}

Error explain_silence(const Error& error, const HttpAddress& address) {
  std::string message = "Docker: " + error.message;
  if (error.code == Code::permission_denied) {
    message += "; this user (uid " + std::to_string(::geteuid()) +
               ") may not use the daemon's socket: let it join the socket's group (usermod -aG "
               "docker USER, then log in again; the group's members are as good as root), or run a "
               "rootless daemon and name its socket in DOCKER_HOST";
  } else if (error.code == Code::unavailable) {
    message += address.socket_path.empty()
                   ? "; does the daemon listen there, and speak TLS just when DOCKER_TLS_VERIFY is "
                     "set? DOCKER_HOST names another address"
                   : "; is the daemon running (systemctl start docker)? DOCKER_HOST names another "
                     "socket";
  }
  return {error.code, message};
}

}  // namespace

Result<HttpAddress> parse_docker_host(std::string_view text, const std::string& tls_directory) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  if (text.starts_with(kUnix)) {
    HttpAddress address;
    address.socket_path = text.substr(kUnix.size());
    if (address.socket_path.starts_with('/')) return address;
  } else if (text.starts_with(kTcp) || text.starts_with("http://")) {
    const std::string_view rest = text.substr(text.find("://") + 3);
    const auto url = parse_http_url("http://" + std::string(rest));
    if (url && url->path == "/") {
      const bool has_port = rest.rfind(':') != rest.npos && !rest.ends_with(']');
      HttpAddress address{url->host, has_port ? url->port : "2375", {}};
      if (tls_directory.empty()) return address;
      if (!has_port) address.port = "2376";
      auto tls = load_tls({.authorities = tls_directory + "/ca.pem",
                           .certificate = tls_directory + "/cert.pem",
                           .key = tls_directory + "/key.pem"});
      if (!tls) return tls.error();
      address.tls = *std::move(tls);
      return address;
    }
  } else if (text.starts_with("ssh://") || text.starts_with("https://")) {
    return Error{Code::unimplemented,
                 "DOCKER_HOST '" + std::string(text) +
                     "' is not spoken here; forward the daemon's socket to this machine (ssh -L "
                     "/run/user/UID/docker.sock:/var/run/docker.sock HOST) and name that"};
  }
  return Error{Code::invalid_argument,
               "DOCKER_HOST '" + std::string(text) + "' must be unix:///PATH or tcp://HOST:PORT"};
}

std::string make_filters(const std::map<std::string, std::vector<std::string>>& filters) {
  return dump_json(nlohmann::json(filters));
}

Result<std::string> judge_answer(Result<HttpResponse> answer, const HttpAddress& address) {
  if (!answer) return explain_silence(answer.error(), address);
  constexpr int kFirstErrorStatus = 400;
  if (answer->status < kFirstErrorStatus) return std::move(answer->body);
  // {"message": "..."}; before the version is known, plain text.
  std::string message;
  if (const auto body = parse_json(answer->body); body && body->is_object()) {
    message = json_text(*body, "message");
  }
  if (message.empty()) message = answer->body.substr(0, 1000);
  while (message.ends_with('\n')) message.pop_back();
  if (message.empty()) message = reason_phrase(answer->status);
  switch (answer->status) {
    case 400:
      return Error{Code::invalid_argument, "Docker: " + message};
    case 404:
      return Error{Code::not_found, "Docker: " + message};
    case 409:
      return Error{Code::already_exists, "Docker: " + message};
    default:
      return Error{Code::failed_precondition, "Docker: " + message};
  }
}

struct Engine::Pending {
  EngineCall call;
  EngineStream functions;
  Done done;
  std::shared_ptr<void> http;
  boost::asio::steady_timer timer;
  TimePoint give_up;
  Duration pause = kPauseMin;
  bool over = false;

  explicit Pending(boost::asio::io_context& loop) : timer(loop) {}
};

void Engine::call(EngineCall call, Done done) {
  auto pending = std::make_shared<Pending>(shard_.loop());
  pending->give_up = shard_.now() + call.retry_for;
  pending->call = std::move(call);
  pending->done = std::move(done);
  owned_[pending.get()] = pending;
  begin(pending);
}

std::shared_ptr<void> Engine::stream(EngineCall call, EngineStream functions, Done done) {
  auto pending = std::make_shared<Pending>(shard_.loop());
  pending->give_up = shard_.now() + call.retry_for;
  pending->call = std::move(call);
  pending->functions = std::move(functions);
  pending->done = std::move(done);
  begin(pending);
  // Ends with its owner, whoever else holds the Pending at that moment.
  return {pending.get(), [pending](void*) {
            pending->over = true;
            pending->http.reset();
            pending->timer.cancel();
          }};
}

void Engine::close() {
  closed_ = true;
  ping_.reset();
  waiting_.clear();
  const auto dropped = std::exchange(owned_, {});  // whose functions may hold the last share of us
  for (const auto& [key, pending] : dropped) {
    pending->over = true;
    pending->http.reset();
    pending->timer.cancel();
  }
}

void Engine::begin(const std::shared_ptr<Pending>& pending) {
  if (closed_) return;
  if (!version_.empty()) {
    send(pending);
    return;
  }
  waiting_.push_back(pending);
  if (!ping_) negotiate();
}

void Engine::negotiate() {
  HttpCall ping;
  ping.path = "/_ping";
  ping.timeout = std::chrono::seconds(10);
  ping_ = start_http(shard_.loop(), address_, std::move(ping),
                     [weak = weak_from_this()](Result<HttpResponse> answer) {
                       const auto self = weak.lock();
                       if (!self) return;
                       self->ping_.reset();
                       std::vector<std::shared_ptr<Pending>> waiting;
                       for (const auto& each : std::exchange(self->waiting_, {})) {
                         if (auto pending = each.lock()) waiting.push_back(std::move(pending));
                       }
                       if (answer && answer->status == 200) {
                         const auto version = agree_on_version(*answer);
                         if (version) {
                           self->version_ = *version;
                           for (const auto& pending : waiting) self->send(pending);
                           return;
                         }
                         answer = version.error();
                       }
                       for (const auto& pending : waiting) self->answered(pending, answer);
                     });
}

void Engine::send(const std::shared_ptr<Pending>& pending) {
  if (pending->over) return;
  HttpCall call;
  call.method = pending->call.method;
  call.path = version_ + pending->call.path + encode_query(pending->call.query);
  call.body = pending->call.body;
  call.content_type = pending->call.content_type;
  call.timeout = pending->call.timeout;
  call.on_begin = pending->functions.on_begin;
  if (pending->functions.on_bytes) {
    call.on_body = [on_bytes = pending->functions.on_bytes](std::string_view bytes) {
      on_bytes(bytes);
      return true;
    };
  }
  pending->http = start_http(
      shard_.loop(), address_, std::move(call),
      [weak = weak_from_this(), held = std::weak_ptr(pending)](Result<HttpResponse> answer) {
        const auto self = weak.lock();
        const auto alive = held.lock();
        if (self && alive) self->answered(alive, std::move(answer));
      });
}

void Engine::answered(const std::shared_ptr<Pending>& pending, Result<HttpResponse> answer) {
  if (pending->over) return;
  const bool silent = !answer && (answer.error().code == Code::unavailable ||
                                  answer.error().code == Code::deadline_exceeded);
  if (silent && shard_.now() < pending->give_up) {
    repeat(pending);
    return;
  }
  pending->over = true;
  const auto done = std::move(pending->done);
  owned_.erase(pending.get());
  done(judge_answer(std::move(answer), address_));
}

void Engine::repeat(const std::shared_ptr<Pending>& pending) {
  pending->timer.expires_after(pending->pause);
  pending->pause = std::min<Duration>(2 * pending->pause, kPauseMax);
  pending->timer.async_wait(
      [weak = weak_from_this(), held = std::weak_ptr(pending)](const auto& error) {
        const auto self = weak.lock();
        const auto alive = held.lock();
        if (!error && self && alive && !alive->over) self->begin(alive);
      });
}

Result<std::string> blocking_call(const HttpAddress& address, const EngineCall& call) {
  HttpCall ping;
  ping.path = "/_ping";
  ping.timeout = call.timeout;
  auto answer = blocking_http(address, ping);
  if (!answer) return explain_silence(answer.error(), address);
  const auto version = agree_on_version(*answer);
  if (!version) return version.error();
  HttpCall http;
  http.method = call.method;
  http.path = *version + call.path + encode_query(call.query);
  http.body = call.body;
  http.timeout = call.timeout;
  return judge_answer(blocking_http(address, http), address);
}

}  // namespace perijove::docker
