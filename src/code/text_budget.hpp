#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "code/terminal_text.hpp"
#include "perijove/code_result.hpp"
#include "perijove/policies.hpp"

namespace perijove {

/// How output is made to fit a language model. Characters are Unicode code points.
struct TextBudget {
  std::size_t chars_max = 20'000;
  CutStrategy strategy = CutStrategy::head_tail;
  double head_ratio = 0.5;  ///< Of head_tail: the beginning's share, from 0 to 1.
  /// Any strategy but `guide`: a line that is longer, by more than the note takes that says how much of it is missing, is
  /// cut; 0: lines have any length.
  std::size_t line_chars_max = 2'000;
  TerminalRules terminal = {};
  /// Three and more equal lines in a row become one: `the line (repeated 500x)`.
  bool fold_repeats = false;
  /// Where the whole text is, for the marker: `get_output(execution_id="e_1")`. May be empty.
  std::string whole_at = {};
};

/// What the tutorials of AutoGen do: the text as it is, its first `chars_max` characters followed
/// by `...(truncated)` when it is longer.
TextBudget guide_budget(std::size_t chars_max = 10'000);

struct FittedText {
  std::string text;
  /// Set when something is missing. Counts characters of the text as terminal_text() and folding
  /// left it; the markers' own are not among the kept ones.
  std::optional<Truncation> cut;
};

/// `text` within the budget. What is left out of the middle, the end or the beginning is replaced
/// by one line that says how many characters it was:
///
///     … [71 234 characters omitted; full output: get_output(execution_id="e_1")] …
///
/// It comes on top of the budget; the notes in cut lines are part of it. Cuts between lines unless
/// that would give away more than half of a part. Linear in time; needs a few times the text.
FittedText fit_text(std::string_view text, const TextBudget& budget = {});

/// Code points of valid UTF-8.
std::size_t count_characters(std::string_view utf8);

}  // namespace perijove
