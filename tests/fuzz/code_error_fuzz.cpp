// Invariant: whatever a kernel calls an error, its traceback stays within its budget, its line is
// one of the block, and frames are found at their places in the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "code/code_error.hpp"
#include "code/text_budget.hpp"
#include "code/traceback.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  static constexpr std::string_view kLanguages[] = {"python", "r", "javascript", "bash", "julia"};
  if (size < 1) return 0;
  const std::string_view language = kLanguages[data[0] % std::size(kLanguages)];
  // The first line is the block, its \x01 are line breaks; then the message, then the traceback.
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto take_line = [&rest] {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::replace(line.begin(), line.end(), '\x01', '\n');
    return line;
  };
  const std::string code = take_line();
  const std::string message = take_line();

  for (const TracebackFrame& frame : find_frames(rest, language)) {
    PERIJOVE_REQUIRE(frame.begin < rest.size());
    PERIJOVE_REQUIRE(frame.begin == 0 || rest[frame.begin - 1] == '\n');
    PERIJOVE_REQUIRE(frame.source.line >= 0);
  }

  const CodeError error =
      make_code_error({"Some", message, {std::string(rest)}}, {code, language, 1});
  PERIJOVE_REQUIRE(error.message == message);
  PERIJOVE_REQUIRE(count_characters(error.traceback) <= kTracebackCharsMax + 200);
  PERIJOVE_REQUIRE(!error.line || *error.line > 0);
  PERIJOVE_REQUIRE(!error.column || error.line);
  (void)parse_error(rest);
  (void)parse_error(rest, ErrorReading::any_exception);
  return 0;
}
