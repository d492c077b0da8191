#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace perijove::kernels::echo {

/// A command was given arguments that it does not take; the message says which.
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The text after a command's name, read word by word. Every reader throws UsageError when what it
/// wants is not there.
class Arguments {
 public:
  explicit Arguments(std::string_view text) : rest_(text) {}

  bool empty() const noexcept { return rest_.empty(); }

  std::string_view word(std::string_view name);
  std::string_view word_or(std::string_view fallback);

  /// Everything not yet read, spaces included.
  std::string_view rest() const noexcept { return rest_; }

  /// A count or a size in bytes, at most `max`.
  std::uint64_t number(std::string_view name, std::uint64_t max);
  std::uint64_t number_or(std::string_view name, std::uint64_t fallback, std::uint64_t max);

  std::chrono::duration<double> seconds();

  /// "on" or "off".
  bool on_or_off();

 private:
  std::string_view rest_;
};

}  // namespace perijove::kernels::echo
