#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/shard.hpp"
#include "net/http_client.hpp"
#include "perijove/result.hpp"

namespace perijove::docker {

/// Where the daemon is: `unix:///PATH` or `tcp://HOST:PORT`, as in DOCKER_HOST. With a directory of
/// certificates (DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem) a daemon behind TCP is spoken to by
/// TLS, and must be who they say. Errors: invalid_argument, unimplemented (ssh).
Result<HttpAddress> parse_docker_host(std::string_view text, const std::string& tls_directory = {});

/// One call of the Engine API.
struct EngineCall {
  std::string method = "GET";
  std::string path;  ///< Encoded, without the version: `/containers/NAME/json`.
  HttpFields query = {};
  std::string body = {};
  std::string content_type = "application/json";
  Duration timeout = std::chrono::seconds(60);
  /// While nobody answers the call is repeated with growing pauses for as long as this. For calls
  /// that may be repeated.
  Duration retry_for = Duration::zero();
};

/// Functions of a call whose answer is read as it comes.
struct EngineStream {
  std::function<void()> on_begin = nullptr;
  std::function<void(std::string_view bytes)> on_bytes = nullptr;
};

/// A client of one Docker daemon (Engine API 1.40 and later, over HTTP). The version is agreed on
/// before the first call. Each call has a connection of its own; none blocks. Shard thread only.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  /// The body of an answer below 400. Errors have the daemon's message, and say what would help
  /// where nobody answers. Codes: 400 invalid_argument, 404 not_found, 409 already_exists, any
  /// other failed_precondition; unavailable and permission_denied without an answer.
  using Done = std::function<void(Result<std::string>)>;

  Engine(Shard& shard, HttpAddress address) : shard_(shard), address_(std::move(address)) {}

  const HttpAddress& address() const { return address_; }

  /// `done` is called once, never during this call, unless the Engine is closed before.
  void call(EngineCall call, Done done);
  /// The same with an answer of any length, as long as the returned share is held.
  [[nodiscard]] std::shared_ptr<void> stream(EngineCall call, EngineStream functions, Done done);
  /// Drops the calls that are under way, without a word; there are no others after it.
  void close();

 private:
  struct Pending;
  void begin(const std::shared_ptr<Pending>& pending);
  void negotiate();
  void send(const std::shared_ptr<Pending>& pending);
  void answered(const std::shared_ptr<Pending>& pending, Result<HttpResponse> answer);
  void repeat(const std::shared_ptr<Pending>& pending);

  Shard& shard_;
  HttpAddress address_;
  std::string version_;  // "/v1.41"; empty: not agreed on yet
  std::shared_ptr<void> ping_;
  std::vector<std::weak_ptr<Pending>> waiting_;  // for the version
  std::map<const Pending*, std::shared_ptr<Pending>> owned_;
  bool closed_ = false;
};

/// One call that blocks the calling thread, for the end of a gateway, when no loop runs any more.
Result<std::string> blocking_call(const HttpAddress& address, const EngineCall& call);

/// What an answer of the daemon means.
Result<std::string> judge_answer(Result<HttpResponse> answer, const HttpAddress& address);

/// `{"label":["a=b"]}` and the like, for the query argument `filters`.
std::string make_filters(const std::map<std::string, std::vector<std::string>>& filters);

}  // namespace perijove::docker
