#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "executor/checkpoint.hpp"

namespace perijove {

/// Where a kernel finds files of ours in the work directory.
struct HandOver {
  std::string file;    ///< Relative to the work directory; there, empty to save into.
  std::string report;  ///< The same, for what a load tells.
  /// What the work directory may be called where the kernel is.
  std::vector<std::string> directories;
};

/// What makes a kernel write its variables to a file, or read them: code to be run silently, and an
/// expression to be evaluated behind it, where the language has those.
struct NamespaceCode {
  std::string code;
  std::string expression;
};

/// Whether the variables of kernels of this language can be carried: Python, bash, JavaScript.
bool can_carry_namespace(std::string_view language);

/// Whether load_namespace() takes the saved bytes themselves (up to kNamespaceTextBytesMax), and no
/// file: the kernel's language has no way to check one that is cheap and always there.
bool loads_from_text(std::string_view language);
inline constexpr std::size_t kNamespaceTextBytesMax = std::size_t{8} << 20;

/// What a saved file begins with, a line of JSON.
inline constexpr std::size_t kNamespaceHeaderBytesMax = std::size_t{16} << 20;

NamespaceCode save_namespace(std::string_view language, const HandOver& files);
/// `saved` tells the file's digest; `text` is the saved bytes where loads_from_text().
NamespaceCode load_namespace(const SavedNamespace& saved, const HandOver& files,
                             std::string_view text);

/// Reads the first line of a saved file, which the kernel wrote and nobody trusts, into `saved` and
/// `skipped`. Errors: unavailable.
Result<void> read_namespace_header(std::string_view line, SavedNamespace& into);
/// The same of the report of a load.
Result<void> read_load_report(std::string_view text, Restoration::Namespace& into);

}  // namespace perijove
