#include "app/gateway_server.hpp"

#include <signal.h>

#include <boost/asio/ip/address.hpp>
#include <filesystem>
#include <utility>

#include "app/signals.hpp"
#include "app/units.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace perijove {
namespace {

constexpr std::size_t kTokenBytes = 24;

Result<void> check_access_options(const ServeOptions& options) {
  if (!options.face.token.empty()) {
    if (!options.no_auth) return {};
    return Error{Code::invalid_argument,
                 "--no-auth and a token contradict one another; drop one of them"};
  }
  if (!options.no_auth || is_loopback(options.ip) || options.allow_no_auth) return {};
  return Error{Code::permission_denied,
               "without a token everybody who can reach " + options.ip +
                   " could run code as this "
                   "user; set one, listen on 127.0.0.1, or say that it is meant with "
                   "PERIJOVE_ALLOW_NO_AUTH=1 (or --allow-no-auth)"};
}

SessionStoreOptions session_store_options(const ServeOptions& options) {
  SessionStoreOptions store = options.sessions;
  store.work_root = options.gateway.registry.work_root;
  return store;
}

struct NameAndCount {
  std::string name;
  std::size_t count = 0;
};

// `python3=4`
Result<NameAndCount> read_name_and_count(const std::string& text, const std::string& flag) {
  const std::size_t sign = text.rfind('=');
  if (sign == std::string::npos || sign == 0) {
    return Error{Code::invalid_argument, flag + " " + text + ": must be NAME=COUNT, as python3=4"};
  }
  const auto count = parse_count(text.substr(sign + 1), flag + " " + text, 0, limits::kPoolSizeMax);
  if (!count) return count.error();
  return NameAndCount{text.substr(0, sign), static_cast<std::size_t>(*count)};
}

// Also `4`, of the default kernelspec, as jupyter_kernel_gateway's prespawn_count.
Result<void> keep_warm(KernelRegistry& registry, const std::string& text) {
  const bool number = text.find_first_not_of("0123456789") == std::string::npos;
  const auto read = read_name_and_count(number ? registry.default_kernelspec() + "=" + text : text,
                                        "--warm-kernels");
  if (!read) return read.error();
  const auto kept = registry.keep_warm(read->name, read->count);
  if (kept) return {};
  return Error{kept.error().code, "--warm-kernels " + text + ": " + kept.error().message};
}

Result<SessionPoolOptions> read_pool(const std::string& text, const SessionStoreOptions& defaults) {
  auto read = read_name_and_count(text, "--pool");
  if (!read) return read.error();
  SessionPoolOptions pool;
  pool.name = pool.session.kernel = std::move(read->name);
  pool.size = read->count;
  pool.session.defaults = defaults.defaults;
  pool.session.idle_timeout = defaults.idle_timeout;
  pool.session.lifetime_max = defaults.lifetime_max;
  return pool;
}

}  // namespace

bool is_loopback(const std::string& ip) {
  if (ip == "localhost") return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(ip, error);
  return !error && address.is_loopback();
}

Result<std::unique_ptr<GatewayServer>> GatewayServer::start(ServeOptions options) {
  if (const auto allowed = check_access_options(options); !allowed) return allowed.error();
  log::set_level(options.log_level);
  if (options.face.token.empty() && !options.no_auth) {
    options.face.token = random_hex(kTokenBytes);
  }
  RegistryOptions& registry = options.gateway.registry;
  std::error_code error;
  const std::filesystem::path root =
      std::filesystem::canonical(registry.work_root.empty() ? "." : registry.work_root, error);
  if (error || !std::filesystem::is_directory(root, error)) {
    return Error{Code::not_found, "--work-dir " + registry.work_root + ": no such directory"};
  }
  registry.work_root = root;
  registry.gateway_env = own_environment();

  auto runtime = GatewayRuntime::create(options.gateway);
  if (!runtime) return runtime.error();
  std::unique_ptr<GatewayServer> server(new GatewayServer(std::move(options), *std::move(runtime)));
  if (const auto listening = server->listen(); !listening) return listening.error();
  for (const std::string& each : server->options_.warm_kernels) {
    const auto kept = keep_warm(server->runtime_->registry(), each);
    if (!kept) return kept.error();
  }
  for (const std::string& each : server->options_.pools) {
    auto pool = read_pool(each, server->options_.sessions);
    if (!pool) return pool.error();
    const auto set = server->code_sessions_.set_pool(*std::move(pool));
    if (!set) return Error{set.error().code, "--pool " + each + ": " + set.error().message};
  }
  auto file = ServerFile::write(server->runtime_->runtime_base(), server->url(), server->token());
  if (!file) return file.error();
  server->file_.emplace(*std::move(file));
  return server;
}

GatewayServer::GatewayServer(ServeOptions options, std::unique_ptr<GatewayRuntime> runtime)
    : options_(std::move(options)),
      runtime_(std::move(runtime)),
      sessions_(runtime_->registry()),
      code_sessions_(runtime_->shard(), runtime_->registry(), session_store_options(options_)),
      face_(runtime_->shard(), runtime_->registry(), sessions_, options_.face),
      v1_face_(runtime_->registry(), code_sessions_),
      server_(runtime_->shard(), {.body_bytes_max = options_.body_bytes_max},
              [this](const std::shared_ptr<HttpExchange>& exchange) { face_.handle(exchange); }),
      signals_(runtime_->shard().loop(), SIGINT, SIGTERM) {
  add_unless_ignored(signals_, SIGHUP);
  face_.mount(
      [this](const CallPtr& call, const PathParts& path) { return v1_face_.handle(call, path); });
}

GatewayServer::~GatewayServer() = default;

Result<void> GatewayServer::listen() {
  for (unsigned attempt = 0;; ++attempt) {
    const unsigned wanted = options_.port + attempt;
    const auto port = server_.listen(options_.ip, static_cast<std::uint16_t>(wanted));
    if (port) {
      port_ = *port;
      return {};
    }
    constexpr unsigned kPortMax = 65'535;
    if (port.error().code != Code::already_exists || attempt >= options_.port_retries ||
        wanted == kPortMax) {
      return port.error();
    }
  }
}

std::string GatewayServer::url() const {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(options_.ip, error);
  std::string host = options_.ip;
  if (!error && address.is_unspecified()) {
    host = address.is_v6() ? "[::1]" : "127.0.0.1";
  } else if (!error && address.is_v6()) {
    host = "[" + host + "]";
  }
  return "http://" + host + ":" + std::to_string(port_) + options_.face.base_url;
}

std::string GatewayServer::url_with_token() const {
  return token().empty() ? url() : url() + "?token=" + percent_encode_path(token());
}

int GatewayServer::run() {
  wait_signal();
  Shard& shard = runtime_->shard();
  shard.serve();
  return shard.failures() == 0 ? 0 : exit_code(Code::internal);
}

void GatewayServer::wait_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int number) {
    if (error) return;
    log::info("signal", {{"number", std::to_string(number)}});
    if (draining_) {
      runtime_->shard().stop();  // asked twice: what runs is killed with its owner
    } else {
      drain();
      wait_signal();
    }
  });
}

void GatewayServer::drain() {
  draining_ = true;
  file_.reset();
  log::info("draining", {{"kernels", std::to_string(runtime_->registry().size())}});
  face_.close_websockets(WsClose::service_restart, "the gateway is stopping");
  runtime_->registry().drain();
  code_sessions_.stop_all([this] {
    runtime_->registry().stop_all([this] {
      server_.stop_accepting();
      server_.close_connections();
      runtime_->shard().stop();
    });
  });
}

}  // namespace perijove
