// Invariant: any text is a notebook or is refused; what is read and written is read again, and
// written again gives the same bytes; every cell can be looked at.
#include <cstddef>
#include <cstdint>
#include <set>

#include "protocol/nbformat.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace perijove;
  auto notebook = Notebook::parse({reinterpret_cast<const char*>(data), size});
  if (!notebook) {
    PERIJOVE_REQUIRE(notebook.error().code == Code::invalid_argument);
    return 0;
  }
  std::set<std::string> ids;
  for (std::size_t i = 0; i < notebook->size(); ++i) ids.insert(notebook->cell(i).id);
  PERIJOVE_REQUIRE(ids.size() == notebook->size());

  const std::string text = notebook->to_text();
  const auto again = Notebook::parse(text);
  PERIJOVE_REQUIRE(again);
  PERIJOVE_REQUIRE(again->to_text() == text);

  notebook->clear_results();
  notebook->insert_cell(0, CellType::code, "1");
  PERIJOVE_REQUIRE(Notebook::parse(notebook->to_text()));
  return 0;
}
