#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace perijove::kernels {

/// Writes the headers of one kernel's messages. Threads: any.
class HeaderWriter {
 public:
  /// A new, random session id: the protocol wants one per kernel process.
  HeaderWriter();

  /// The header as JSON text, with a fresh msg_id and the present time in UTC.
  std::string write(std::string_view msg_type);

  const std::string& session() const noexcept { return session_; }

 private:
  std::string session_;
  std::string constant_fields_;
  std::atomic<std::uint64_t> messages_ = 0;
};

}  // namespace perijove::kernels
