// Invariant: whatever code prints, what is left is valid UTF-8 without escapes, within the budget
// and its marker, counts itself truly, and stays as it is when it is shown once more.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "code/text_budget.hpp"
#include "protocol/utf8.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  if (size < 4) return 0;
  TextBudget budget;
  budget.chars_max = data[0];
  budget.strategy = static_cast<CutStrategy>(data[1] % 4);
  budget.head_ratio = (data[1] >> 4) / 15.0;
  budget.line_chars_max = data[2];
  budget.fold_repeats = (data[3] & 1) != 0;
  const std::string_view raw(reinterpret_cast<const char*>(data) + 4, size - 4);

  const std::string shown = terminal_text(raw);
  PERIJOVE_REQUIRE(to_utf8(shown, shown.size()) == shown);
  PERIJOVE_REQUIRE(shown.find_first_of(std::string_view("\x1b\r\b\a\0", 5)) == std::string::npos);
  PERIJOVE_REQUIRE(terminal_text(shown) == shown);
  PERIJOVE_REQUIRE(std::count(shown.begin(), shown.end(), '\n') ==
                   std::count(raw.begin(), raw.end(), '\n'));

  constexpr std::size_t kMarkerCharsMax = 60;
  const FittedText fitted = fit_text(raw, budget);
  PERIJOVE_REQUIRE(to_utf8(fitted.text, fitted.text.size()) == fitted.text);
  PERIJOVE_REQUIRE(count_characters(fitted.text) <= budget.chars_max + kMarkerCharsMax);
  if (fitted.cut) {
    PERIJOVE_REQUIRE(fitted.cut->kept_chars < fitted.cut->total_chars);
    PERIJOVE_REQUIRE(fitted.cut->kept_chars <= budget.chars_max);
  } else {
    PERIJOVE_REQUIRE(budget.fold_repeats || fitted.text == shown);
  }
  return 0;
}
