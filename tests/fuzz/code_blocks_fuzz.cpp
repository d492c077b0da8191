// Invariant: blocks are no larger than their text, only the last may be unclosed, and the code of
// each comes out the same when it is fenced anew.
#include <cstddef>
#include <cstdint>

#include "protocol/code_blocks.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto blocks = extract_code_blocks(text);
  std::size_t total = 0;
  std::size_t line = 0;
  for (const FencedBlock& block : blocks) {
    PERIJOVE_REQUIRE(block.line > line);
    line = block.line;
    total += block.code.size() + block.info.size();
    PERIJOVE_REQUIRE(block.closed || &block == &blocks.back());
    PERIJOVE_REQUIRE(canonical_language(block.language) == block.language);

    if (block.code.find('\r') != std::string::npos) continue;  // a line's last CR is its break
    const std::string fence(block.code.size() + 3, '~');
    const auto again = extract_code_blocks(fence + "\n" + block.code + "\n" + fence + "\n");
    PERIJOVE_REQUIRE(again.size() == 1 && again[0].closed && again[0].code == block.code);
    PERIJOVE_REQUIRE(again[0].file_name == block.file_name);
  }
  PERIJOVE_REQUIRE(total <= text.size());
  (void)first_code_or_text(text);
  return 0;
}
