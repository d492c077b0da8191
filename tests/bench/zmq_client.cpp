#include "zmq_client.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace bench {

namespace {

constexpr std::string_view kDelimiter = "<IDS|MSG>";
constexpr std::size_t kSignedParts = 4;

std::string_view view(const zmq::message_t& part) {
  return {static_cast<const char*>(part.data()), part.size()};
}

}  // namespace

std::string ConnectionInfo::endpoint(std::size_t port_index) const {
  const char separator = transport == "ipc" ? '-' : ':';
  return transport + "://" + ip + separator + std::to_string(ports.at(port_index));
}

std::string ConnectionInfo::to_json() const {
  return nlohmann::json{{"transport", transport},
                        {"ip", ip},
                        {"key", key},
                        {"signature_scheme", "hmac-sha256"},
                        {"shell_port", ports[0]},
                        {"control_port", ports[1]},
                        {"stdin_port", ports[2]},
                        {"iopub_port", ports[3]},
                        {"hb_port", ports[4]},
                        {"kernel_name", ""}}
      .dump();
}

Signer::Signer(const std::string& key) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  keyed_.reset(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  std::string digest = OSSL_DIGEST_NAME_SHA2_256;
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (!keyed_ || EVP_MAC_init(keyed_.get(), reinterpret_cast<const unsigned char*>(key.data()),
                              key.size(), parameters.data()) != 1) {
    throw std::runtime_error("OpenSSL refuses to make an HMAC-SHA256 context");
  }
}

std::string Signer::sign(const std::array<std::string_view, 4>& parts) {
  // Re-initialising without a key keeps the prepared one: cheaper than a copy of the context.
  EVP_MAC_init(keyed_.get(), nullptr, 0, nullptr);
  for (const auto part : parts) {
    EVP_MAC_update(keyed_.get(), reinterpret_cast<const unsigned char*>(part.data()), part.size());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  std::size_t size = 0;
  EVP_MAC_final(keyed_.get(), digest.data(), &size, digest.size());
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

ZmqClient::ZmqClient(Loop& loop, zmq::context_t& context, const ConnectionInfo& connection)
    : Client(unique_session_id()), loop_(loop), signer_(connection.key) {
  for (const Channel channel :
       {Channel::kShell, Channel::kControl, Channel::kStdin, Channel::kIopub}) {
    const bool iopub = channel == Channel::kIopub;
    zmq::socket_t socket(context, iopub ? zmq::socket_type::sub : zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::rcvhwm, 0);
    socket.set(zmq::sockopt::sndhwm, 0);
    // A kernel that is still starting has not bound yet; the default of 100 ms would be measured.
    socket.set(zmq::sockopt::reconnect_ivl, 1);
    if (iopub) {
      socket.set(zmq::sockopt::subscribe, "");
    } else {
      // A kernel addresses input_request to the identity that the execute_request came from.
      socket.set(zmq::sockopt::routing_id, session_id());
    }
    socket.connect(connection.endpoint(static_cast<std::size_t>(channel)));
    const int fd = socket.get(zmq::sockopt::fd);
    endpoints_.push_back({channel, std::move(socket), fd});
  }
  for (const Endpoint& endpoint : endpoints_) loop_.add(endpoint.fd, *this, EPOLLIN);
  loop_.poke(*this);
}

ZmqClient::~ZmqClient() {
  loop_.unpoke(*this);
  if (paused_) return;
  for (const Endpoint& endpoint : endpoints_) loop_.remove(endpoint.fd);
}

void ZmqClient::send(const Request& request) {
  send_request(endpoints_[static_cast<std::size_t>(request.channel)].socket, signer_, request,
               session_id());
  if (!paused_) loop_.poke(*this);
}

void send_request(zmq::socket_t& socket, Signer& signer, const Request& request,
                  std::string_view session_id) {
  const std::string header = header_json(request, session_id);
  const std::array<std::string_view, kSignedParts> parts = {header, "{}", "{}", request.content};
  const auto send_part = [&](std::string_view part, bool more) {
    socket.send(zmq::buffer(part), more ? zmq::send_flags::sndmore : zmq::send_flags::none);
  };
  send_part(kDelimiter, true);
  send_part(signer.sign(parts), true);
  for (std::size_t i = 0; i < kSignedParts; ++i) {
    send_part(parts[i], i + 1 < kSignedParts || !request.buffers.empty());
  }
  for (std::size_t i = 0; i < request.buffers.size(); ++i) {
    send_part(request.buffers[i], i + 1 < request.buffers.size());
  }
}

void ZmqClient::pause_reading(bool paused) {
  if (paused == paused_) return;
  paused_ = paused;
  for (const Endpoint& endpoint : endpoints_) {
    if (paused) {
      loop_.remove(endpoint.fd);
    } else {
      loop_.add(endpoint.fd, *this, EPOLLIN);
    }
  }
  if (!paused) loop_.poke(*this);
}

void ZmqClient::on_event(std::uint32_t) {
  // The descriptors only say "look at ZMQ_EVENTS": read until every socket is empty.
  bool received = true;
  while (received) {
    received = false;
    for (Endpoint& endpoint : endpoints_) {
      while (!paused_ && receive_one(endpoint)) received = true;
    }
  }
}

bool ZmqClient::receive_one(Endpoint& endpoint) {
  parts_.clear();
  bool more = true;
  while (more) {
    zmq::message_t part;
    const auto flags = parts_.empty() ? zmq::recv_flags::dontwait : zmq::recv_flags::none;
    if (!endpoint.socket.recv(part, flags)) return false;
    more = part.more();
    parts_.push_back(std::move(part));
  }
  std::size_t first = 0;
  while (first < parts_.size() && view(parts_[first]) != kDelimiter) ++first;
  if (parts_.size() < first + 2 + kSignedParts) return true;  // not of the Jupyter protocol
  const auto part = [&](std::size_t i) { return view(parts_[first + 2 + i]); };
  if (signer_.sign({part(0), part(1), part(2), part(3)}) != view(parts_[first + 1])) {
    close_reason_ = "the kernel sent a wrong signature";
    return true;
  }
  message_.channel = endpoint.channel;
  read_headers(message_, part(0), part(1));
  message_.content = part(3);
  message_.buffers.clear();
  for (std::size_t i = first + 2 + kSignedParts; i < parts_.size(); ++i) {
    message_.buffers.push_back(view(parts_[i]));
  }
  deliver(message_);
  return true;
}

}  // namespace bench
