#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace perijove {

/// A regular expression of the few kinds that lists of forbidden code are written in, with the
/// meaning of Python's re.search(): characters, `\(` and other escaped ones, `.`, `\s`, `\b`,
/// classes like `[a-z]`, and behind one of them `+`, `*`, `*?` or `?`. White space and words are
/// those of ASCII.
///
/// Finds in time linear in the text, whatever the text; std::regex needs stack for each character.
class Pattern {
 public:
  /// `text` must be one of the above with at most 63 parts: the lists are ours, so that a wrong one
  /// is a bug and asserts.
  explicit Pattern(std::string_view text);

  /// Whether it matches anywhere: the place behind the match that ends first.
  std::optional<std::size_t> find_in(std::string_view text) const;

 private:
  struct Part {
    enum class Kind { range, any, white_space, word_boundary } kind;
    char low = 0;
    char high = 0;
    bool may_be_absent = false;
    bool may_repeat = false;
    bool accepts(char c) const;
  };

  std::uint64_t reachable(std::uint64_t states, bool at_boundary) const;

  std::vector<Part> parts_;
};

}  // namespace perijove
