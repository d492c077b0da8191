// docs/life-of-a-kernel.md shows the table as it is.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "model/lifecycle_table.hpp"

namespace perijove::lifecycle {
namespace {

const char kPage[] = PERIJOVE_SOURCE_DIR "/docs/life-of-a-kernel.md";

std::string read_page() {
  std::ifstream file(kPage, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Compares the block `name` of the page with `printed`, or replaces it when PERIJOVE_ACCEPT is
/// set.
void expect_on_page(const std::string& name, const std::string& printed) {
  std::string page = read_page();
  const std::size_t mark = page.find("<!-- generated: " + name + " ");
  ASSERT_NE(mark, std::string::npos) << "no block '" << name << "' in " << kPage;
  const std::size_t begin = page.find('\n', mark) + 1;
  const std::size_t end = page.find("<!-- end -->", begin);
  ASSERT_NE(end, std::string::npos) << "block '" << name << "' has no end in " << kPage;
  if (std::getenv("PERIJOVE_ACCEPT") != nullptr) {
    page.replace(begin, end - begin, printed);
    std::ofstream(kPage, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(begin, end - begin), printed) << "PERIJOVE_ACCEPT=1 rewrites " << kPage;
}

TEST(LifeOfAKernelPage, ShowsTheDiagramOfTheTable) {
  expect_on_page("diagram", "```mermaid\n" + lifecycle_diagram() + "```\n");
}

TEST(LifeOfAKernelPage, ShowsEveryRowOfTheTable) { expect_on_page("rows", lifecycle_rows()); }

}  // namespace
}  // namespace perijove::lifecycle
