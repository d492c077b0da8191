#pragma once

#include <regex.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perijove::kernels::command {

/// A POSIX extended regular expression. The C library's: it does not recurse on what it matches.
class Pattern {
 public:
  /// Throws std::invalid_argument that says what is wrong with it.
  explicit Pattern(const std::string& source);

  /// How many groups it has.
  std::size_t groups() const noexcept { return compiled_->re_nsub; }

  /// The first place where it fits: the whole of it, then each group, "" for one that has no part
  /// in it. Nothing behind a NUL is looked at.
  std::optional<std::vector<std::string>> find_in(std::string_view text) const;

 private:
  std::shared_ptr<const regex_t> compiled_;
};

}  // namespace perijove::kernels::command
