#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace perijove {

/// A string that names one kind of thing: a KernelId cannot be passed where a SessionId is meant.
template <typename Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

/// A kernel of the gateway; survives restarts of its process.
using KernelId = Id<struct KernelTag>;
/// A session of the REST table: a path that is bound to a kernel.
using SessionId = Id<struct SessionTag>;

/// A random (version 4) UUID in its usual 36 characters, from the system's generator.
std::string make_uuid();

/// `bytes` random bytes from the system's generator as lower-case hex: for keys and tokens.
std::string random_hex(std::size_t bytes);

/// Whether `text` has the shape of a kernel or session id in a URL: `\w+-\w+-\w+-\w+-\w+`, at most
/// 64 characters (jupyter_server services/kernels/handlers.py, kernel_id_regex).
bool looks_like_id(std::string_view text);

}  // namespace perijove

template <typename Tag>
struct std::hash<perijove::Id<Tag>> {
  std::size_t operator()(const perijove::Id<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
