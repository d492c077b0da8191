// Invariant: whatever a kernel sends, what is kept stays within the limits, says so when something
// was cut, and makes a notebook that can be read again.
#include <cstddef>
#include <cstdint>

#include "protocol/nbformat.hpp"
#include "protocol/outputs.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  const OutputLimits limits{
      .text_bytes_max = 64, .data_bytes_max = 128, .outputs_max = 4, .error_bytes_max = 64};
  static constexpr std::string_view kTypes[] = {
      "stream",       "display_data", "execute_result", "update_display_data",
      "clear_output", "error",        "execute_input",  "comm_msg"};
  OutputCollector collector(limits);
  // One message a line: a character for the type, then the content.
  ByteView rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const ByteView line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    collector.add(kTypes[static_cast<unsigned char>(line[0]) % std::size(kTypes)], line.substr(1));
  }

  constexpr std::size_t kNoteBytes = 100;
  std::size_t text_bytes = 0;
  std::size_t pieces = 0;
  const std::vector<Output> outputs = collector.outputs();
  for (const Output& output : outputs) {
    if (const auto* stream = std::get_if<StreamOutput>(&output)) {
      text_bytes += stream->text.size();
      ++pieces;
    }
  }
  PERIJOVE_REQUIRE(text_bytes <= limits.text_bytes_max + 2 * kNoteBytes);
  PERIJOVE_REQUIRE(collector.cuts().any() || text_bytes <= limits.text_bytes_max);
  PERIJOVE_REQUIRE(pieces <= limits.outputs_max + 2);

  Notebook notebook;
  notebook.insert_cell(0, CellType::code, "");
  notebook.set_result(0, collector.execution_count(), outputs);
  PERIJOVE_REQUIRE(Notebook::parse(notebook.to_text()));
  return 0;
}
