#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace perijove::testing {

/// Expects the block `name` of a page of the documentation (`docs/limits.md`) to be `printed`. It
/// stands between `<!-- generated: NAME ... -->` and `<!-- end -->`. With PERIJOVE_ACCEPT set the
/// page is rewritten instead.
inline void expect_on_page(const std::string& page_name, const std::string& name,
                           const std::string& printed) {
  const std::string path = std::string(PERIJOVE_SOURCE_DIR) + "/" + page_name;
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  std::string page = text.str();
  const std::size_t mark = page.find("<!-- generated: " + name + " ");
  ASSERT_NE(mark, std::string::npos) << "no block '" << name << "' in " << page_name;
  const std::size_t begin = page.find('\n', mark) + 1;
  const std::size_t end = page.find("<!-- end -->", begin);
  ASSERT_NE(end, std::string::npos) << "block '" << name << "' has no end in " << page_name;
  if (std::getenv("PERIJOVE_ACCEPT") != nullptr) {
    page.replace(begin, end - begin, printed);
    std::ofstream(path, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(begin, end - begin), printed) << "PERIJOVE_ACCEPT=1 rewrites " << page_name;
}

}  // namespace perijove::testing
