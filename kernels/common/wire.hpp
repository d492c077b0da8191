#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>
#include <zmq.hpp>

/// The Jupyter wire protocol on one ZeroMQ message:
///
///     identities... | <IDS|MSG> | signature | header | parent_header | metadata | content |
///     buffers...
///
/// The signature is the hex HMAC of the four parts after it; buffers are not signed.
/// https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
namespace perijove::kernels {

using Buffers = std::vector<std::vector<char>>;

/// The four signed parts, as the bytes that travel.
using Parts = std::array<std::string_view, 4>;

using Frames = std::vector<zmq::message_t>;

/// A message that is ready to be signed and sent. The parts are JSON texts.
struct Message {
  std::vector<std::string> identities;  ///< the routing ids of the addressee; on iopub, the topic
  std::string msg_type;                 ///< as in the header; not sent by itself
  std::string header;
  std::string parent_header = "{}";
  std::string metadata = "{}";
  std::string content = "{}";
  Buffers buffers;

  Parts parts() const { return {header, parent_header, metadata, content}; }
};

/// Signs and verifies. Threads: one at a time.
class Signer {
 public:
  /// With an empty key signatures are empty and every message verifies: that is what a connection
  /// file without a key asks for. Throws std::invalid_argument for a scheme other than
  /// "hmac-<digest that OpenSSL knows>".
  Signer(const std::string& scheme, const std::string& key);

  /// In lower-case hex digits.
  std::string sign(const Parts& parts);

  /// False for a signature of another length or content; takes the same time wherever they differ.
  bool verify(std::string_view signature, const Parts& parts);

  bool signs() const noexcept { return context_ != nullptr; }

 private:
  struct FreeContext {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  std::unique_ptr<EVP_MAC_CTX, FreeContext> context_;
};

/// Remembers the signatures of the last messages, so that a recorded one cannot be sent again.
/// Threads: any.
class ReplayGuard {
 public:
  /// As many as jupyter_client's Session keeps; at most about 4 MiB.
  static constexpr std::size_t kRemembered = 65'536;

  /// False when a message with this (verified) signature was admitted before.
  bool admit(std::string_view signature);

 private:
  using Digest = std::array<char, 16>;
  struct Hash {
    std::size_t operator()(const Digest& digest) const noexcept;
  };
  std::mutex mutex_;
  std::unordered_set<Digest, Hash> seen_;
  std::deque<Digest> order_;
};

/// A received message, taken apart but neither verified nor parsed. Views into the frames.
struct Envelope {
  std::span<const zmq::message_t> identities;
  std::string_view signature;
  Parts parts;
  std::span<const zmq::message_t> buffers;
};

/// nullopt when there is no delimiter or fewer than five frames follow it.
std::optional<Envelope> open_envelope(const Frames& frames);

/// Signs the message and gives up its strings; large ones are not copied.
Frames seal(Message&& message, Signer& signer);

/// One frame made of these bytes; the string is kept alive instead of copied when that is cheaper.
zmq::message_t frame_of(std::string&& bytes);

/// True when brackets in this JSON text nest deeper than `depth_max`. nlohmann::json copies and
/// writes values by recursion, so such a text must not be parsed.
bool nests_deeper_than(std::string_view json, std::size_t depth_max);

}  // namespace perijove::kernels
