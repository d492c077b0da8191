#pragma once

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "client.hpp"

namespace bench {

/// What a kernel's connection file says.
struct ConnectionInfo {
  std::string transport = "tcp";
  std::string ip;
  std::string key;
  std::array<int, 5> ports{};  ///< shell, control, stdin, iopub, hb

  std::string endpoint(std::size_t port_index) const;
  std::string to_json() const;
};

/// HMAC-SHA256 as the wire protocol signs: over header, parent_header, metadata and content.
class Signer {
 public:
  explicit Signer(const std::string& key);
  std::string sign(const std::array<std::string_view, 4>& parts);

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC_CTX, Free> keyed_;
};

/// Sends one signed request on a DEALER socket that is connected to the kernel.
void send_request(zmq::socket_t& socket, Signer& signer, const Request& request,
                  std::string_view session_id);

/// A client straight on a kernel's sockets: what there is without any gateway. It signs what it
/// sends and verifies what it receives, as a real client must.
class ZmqClient final : public Client, public Source {
 public:
  ZmqClient(Loop& loop, zmq::context_t& context, const ConnectionInfo& connection);
  ~ZmqClient() override;

  void send(const Request& request) override;
  bool is_open() const override { return true; }
  const std::string& close_reason() const override { return close_reason_; }
  void pause_reading(bool paused) override;

  void on_event(std::uint32_t events) override;

 private:
  struct Endpoint {
    Channel channel;
    zmq::socket_t socket;
    int fd;
  };

  bool receive_one(Endpoint& endpoint);

  Loop& loop_;
  Signer signer_;
  std::vector<Endpoint> endpoints_;  // in the order of Channel
  std::vector<zmq::message_t> parts_;
  Message message_;
  bool paused_ = false;
  std::string close_reason_;
};

}  // namespace bench
