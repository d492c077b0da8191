#include "code/pattern.hpp"

#include <cassert>

namespace perijove {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;  // letters of other scripts, almost all
}

constexpr std::uint64_t bit(std::size_t number) { return std::uint64_t{1} << number; }

}  // namespace

bool Pattern::Part::accepts(char c) const {
  switch (kind) {
    case Kind::range:
      return c >= low && c <= high;
    case Kind::any:
      return c != '\n';
    case Kind::white_space:
      return c == ' ' || (c >= '\t' && c <= '\r');
    case Kind::word_boundary:
      return false;
  }
  return false;
}

Pattern::Pattern(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    Part part{Part::Kind::range, text[at], text[at], false, false};
    if (text[at] == '\\') {
      assert(at + 1 < text.size());
      const char escaped = text[++at];
      part.low = part.high = escaped;
      if (escaped == 's') part.kind = Part::Kind::white_space;
      if (escaped == 'b') part.kind = Part::Kind::word_boundary;
    } else if (text[at] == '[') {
      assert(at + 4 < text.size() && text[at + 2] == '-' && text[at + 4] == ']');
      part.low = text[at + 1];
      part.high = text[at + 3];
      at += 4;
    } else if (text[at] == '.') {
      part.kind = Part::Kind::any;
    }
    ++at;
    const char quantifier = at < text.size() ? text[at] : '\0';
    if (quantifier == '+' || quantifier == '*' || quantifier == '?') {
      part.may_be_absent = quantifier != '+';
      part.may_repeat = quantifier != '?';
      ++at;
      // Whether it is greedy makes no difference to whether it matches.
      if (part.may_repeat && at < text.size() && text[at] == '?') ++at;
    }
    parts_.push_back(part);
  }
  assert(parts_.size() < 64);
}

// The states that can be had from `states` without reading a character. A state is the number of
// the part that comes next; one beyond them all is the match.
std::uint64_t Pattern::reachable(std::uint64_t states, bool at_boundary) const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const bool passes =
        parts_[i].may_be_absent || (parts_[i].kind == Part::Kind::word_boundary && at_boundary);
    if (passes && (states & bit(i)) != 0) states |= bit(i + 1);
  }
  return states;
}

std::optional<std::size_t> Pattern::find_in(std::string_view text) const {
  const std::uint64_t match = bit(parts_.size());
  std::uint64_t states = 0;
  bool after_word = false;
  for (std::size_t at = 0;; ++at) {
    const bool before_word = at < text.size() && is_word(text[at]);
    states = reachable(states | bit(0), before_word != after_word);
    if ((states & match) != 0) return at;
    if (at == text.size()) return std::nullopt;
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if ((states & bit(i)) == 0 || !parts_[i].accepts(text[at])) continue;
      next |= bit(i + 1);
      if (parts_[i].may_repeat) next |= bit(i);
    }
    states = next;
    after_word = before_word;
  }
}

}  // namespace perijove
