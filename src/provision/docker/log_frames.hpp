#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace perijove::docker {

/// Takes the output of a container or an exec without a terminal apart: frames of
/// `[stream, 0, 0, 0, length as 32 bits big-endian]` and that many bytes (Engine API, "Stream
/// format"). Bytes in, in any pieces; payloads out, in the order sent. What is no frame ends it.
class LogFrames {
 public:
  /// `stream` is 1 for standard output, 2 for standard error.
  using OnPayload = std::function<void(int stream, std::string_view bytes)>;
  explicit LogFrames(OnPayload on_payload) : on_payload_(std::move(on_payload)) {}

  /// false once something came that is no frame; nothing is told from there on.
  bool feed(std::string_view bytes);

 private:
  static constexpr std::size_t kHeaderBytes = 8;

  OnPayload on_payload_;
  std::string header_;  // as far as it has come
  int stream_ = 0;
  std::uint32_t missing_ = 0;  // bytes of the current payload
  bool broken_ = false;
};

}  // namespace perijove::docker
