#include <mutex>
#include <stdexcept>
#include <utility>

#include "host.hpp"
#include "json_scan.hpp"
#include "ws_client.hpp"

namespace bench {

namespace {

/// Keep-alive connections for REST calls from several threads.
class HttpPool {
 public:
  explicit HttpPool(ServerUrl server) : server_(std::move(server)) {}

  HttpAnswer request(std::string_view method, const std::string& path, std::string_view body = {}) {
    std::unique_ptr<HttpClient> client = take();
    HttpAnswer answer = client->request(method, path, body);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
    return answer;
  }

  const ServerUrl& server() const { return server_; }

 private:
  std::unique_ptr<HttpClient> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<HttpClient>(server_);
    auto client = std::move(idle_.back());
    idle_.pop_back();
    return client;
  }

  const ServerUrl server_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpClient>> idle_;
};

void require(const HttpAnswer& answer, int status, const std::string& what) {
  if (answer.status == status) return;
  throw std::runtime_error(what + " was answered with " + std::to_string(answer.status) + ": " +
                           answer.body.substr(0, 200));
}

class GatewayKernel final : public Kernel {
 public:
  GatewayKernel(std::shared_ptr<HttpPool> http, std::string id)
      : http_(std::move(http)), id_(std::move(id)) {}
  ~GatewayKernel() override {
    try {
      shut_down();
    } catch (const std::exception&) {
      // A server that is gone, or a kernel that has died and been forgotten: nothing is left to do.
    }
  }

  std::unique_ptr<Client> connect(Loop& loop, Framing framing, Ack ack) override {
    return std::make_unique<WsClient>(loop, http_->server(), id_, framing, ack);
  }
  void interrupt() override {
    require(http_->request("POST", path("/interrupt"), "{}"), 204, "interrupt");
  }
  void restart() override {
    require(http_->request("POST", path("/restart"), "{}"), 200, "restart");
  }
  void shut_down() override {
    if (std::exchange(ended_, true)) return;
    require(http_->request("DELETE", path("")), 204, "DELETE of a kernel");
  }

 private:
  std::string path(const char* action) const { return "api/kernels/" + id_ + action; }

  std::shared_ptr<HttpPool> http_;
  std::string id_;
  bool ended_ = false;
};

class GatewayHost final : public Host {
 public:
  GatewayHost(std::string name, ServerUrl server, std::optional<pid_t> pid)
      : Host(std::move(name)), http_(std::make_shared<HttpPool>(std::move(server))), pid_(pid) {}

  std::unique_ptr<Kernel> start_kernel(const std::string& kernelspec) override {
    const std::string body = "{\"name\":" + json_scan::quoted(kernelspec) + "}";
    const HttpAnswer answer = http_->request("POST", "api/kernels", body);
    require(answer, 201, "start of kernel '" + kernelspec + "'");
    const std::string id(json_scan::string_member(answer.body, "id"));
    return std::make_unique<GatewayKernel>(http_, id);
  }
  const ServerUrl* server() const override { return &http_->server(); }
  std::optional<ProcessStats> process() const override {
    if (!pid_) return std::nullopt;
    return ProcessStats(*pid_);
  }

 private:
  std::shared_ptr<HttpPool> http_;
  std::optional<pid_t> pid_;
};

}  // namespace

std::unique_ptr<Host> make_gateway_host(std::string name, ServerUrl server,
                                        std::optional<pid_t> pid) {
  return std::make_unique<GatewayHost>(std::move(name), std::move(server), pid);
}

}  // namespace bench
